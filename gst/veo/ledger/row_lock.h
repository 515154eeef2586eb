// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Who owns a row of the ledger: he who holds the lock on its byte of the lock file. The kernel
// drops the lock with its holder, however that ends, which no process id could tell as surely. They
// are locks of open file descriptions (fcntl(2), F_OFD_SETLK), so that two owners within one
// process exclude each other too.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "veo/core/result.h"
#include "veo/system/file_handle.h"

namespace veo {

/// Holds a row until it is destroyed.
class RowLock {
 public:
  RowLock() = default;

  /// nullopt: somebody else holds it. `path` is the lock file, made where there is none, and never
  /// removed. Fails with ledger.
  static Result<std::optional<RowLock>> try_acquire(const std::string& path, std::int64_t row);

 private:
  explicit RowLock(FileHandle file) : file_(std::move(file)) {}

  FileHandle file_;
};

}  // namespace veo
