// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Reads a small file that the user names. The name may lead anywhere: to a directory, to a pipe
// that nobody writes, to a device without an end, or to a file that fills the memory.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <functional>
#include <optional>
#include <string>

#include "veo/core/result.h"
#include "veo/system/patience.h"

namespace veo {

/// What a file must be.
struct SmallFile {
  std::string what;  ///< the subject of the messages: "The catalog /x.json (VEO_CATALOG)"
  ErrorCode code;    ///< of the errors
  std::size_t most;  ///< bytes
  /// Returns why the open file must not be used: "it is too old". nullopt: it may be used.
  std::function<std::optional<std::string>(int fd, const struct stat&)> find_objection = nullptr;
};

/// Reads a regular file. Never waits for another process. Fails with `code`.
Result<std::string> read_small_file(const std::string& path, const SmallFile& rules);
/// Does the same, and also reads a pipe (a FIFO, /dev/fd/N) to its end, with this patience.
Result<std::string> read_small_file_or_pipe(const std::string& path, const SmallFile& rules,
                                            const Patience& patience);

}  // namespace veo
