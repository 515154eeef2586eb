// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string_view>

namespace veo::cli {

/// The text of history.css, which the build compiles in.
extern const std::string_view history_style;
/// The text of history.js, which the build compiles in.
extern const std::string_view history_script;

}  // namespace veo::cli
