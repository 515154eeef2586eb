// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a script is told. A contract: docs/veo.md has the table.
#pragma once

#include "veo/core/error.h"

namespace veo::cli {

inline constexpr int exit_success = 0;
inline constexpr int exit_usage = 2;
inline constexpr int exit_interrupted = 130;

int exit_code(ErrorCode code);

}  // namespace veo::cli
