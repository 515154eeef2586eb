// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The exit codes of `veo`. They are a contract, which docs/reference/errors.md documents. The rows
// of error_codes.def give each error code its exit code.
#pragma once

#include <span>
#include <string_view>

#include "veo/core/error_table.h"

namespace veo::cli {

inline constexpr int exit_success = 0;
inline constexpr int exit_usage = 2;
inline constexpr int exit_interrupted = 130;

inline int exit_code(ErrorCode code) { return error_row(code).exit_code; }

/// What an exit code means: `--help`, the man page and docs/reference/errors.md print these rows.
struct ExitStatus {
  int code;
  std::string_view summary;  ///< two or three words
  std::string_view meaning;  ///< a sentence
};
std::span<const ExitStatus> exit_statuses();

}  // namespace veo::cli
