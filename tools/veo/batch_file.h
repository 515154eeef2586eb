// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A batch: a file of JSON lines, one request a line. The members have the names of options. All
// mistakes of all lines are found before the first line is submitted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "veo/core/result.h"
#include "veo/source/source.h"

namespace veo::cli {

struct BatchRequest {
  std::size_t line = 0;  ///< in the file, from 1
  Options settings;
  /// The name of the request in ledger and manifest: the intent's id, or `task/ID`.
  std::string id;
};

/// Reads the lines of the file at `path`; options that a line does not name are those of `common`.
/// Equal lines are takes of one request: they get the takes that no line names, from 1 on. So the
/// place of a line in the file does not matter. Fails with invalid_request (the message has a line
/// for each mistake), or cache (the file cannot be read).
Result<std::vector<BatchRequest>> read_batch(const std::string& path, const Options& common);

/// `PATH:LINE: WHAT`, as compilers write it.
std::string at_line(const std::string& path, std::size_t line, const std::string& what);

/// The refusal of a batch with these mistakes, which are not empty. Shows the first 20.
Error mistakes_in(const std::string& path, const std::vector<std::string>& mistakes);

}  // namespace veo::cli
