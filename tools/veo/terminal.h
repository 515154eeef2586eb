// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <optional>

namespace veo::cli {

/// How wide the terminal behind `fd` is now; nullopt: there is none.
std::optional<std::size_t> terminal_columns(int fd);

}  // namespace veo::cli
