// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A batch: a file of JSON lines, one request a line, its members named as veosrc's properties. What
// is wrong with any line is found before the first one is submitted.
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
  /// Its name in ledger and manifest: the intent's, or `task/ID`.
  std::string id;
};

/// The lines of the file at `path`, on top of `common`. A request that is there more than once is
/// that many takes of it: those that no line has named, from 1 on. So what a line stands for does
/// not depend on where it is. Fails with invalid_request, in a message of a line for each mistake,
/// or cache (the file cannot be read).
Result<std::vector<BatchRequest>> read_batch(const std::string& path, const Options& common);

/// `what` of that line of that file.
std::string at_line(const std::string& path, std::size_t line, const std::string& what);

/// For the user to mend, as many of them as can be read at once. Not empty.
Error mistakes_in(const std::string& path, const std::vector<std::string>& mistakes);

}  // namespace veo::cli
