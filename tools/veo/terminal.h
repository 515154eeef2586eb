// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <optional>

namespace veo::cli {

/// Returns how many columns the terminal of `fd` has now. nullopt: `fd` is no terminal.
std::optional<std::size_t> terminal_columns(int fd);

}  // namespace veo::cli
