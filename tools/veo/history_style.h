// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string_view>

namespace veo::cli {

/// history.css, which is compiled in.
extern const std::string_view history_style;

}  // namespace veo::cli
