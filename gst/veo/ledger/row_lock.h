// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The owner of a row of the ledger holds a lock on the row's byte of the lock file. The kernel
// drops the lock when the owner's process ends, whatever the reason. A recorded process id would be
// less sure. The locks belong to open file descriptions (fcntl(2), F_OFD_SETLK), so that two owners
// within one process exclude each other too.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "veo/core/result.h"
#include "veo/system/file_handle.h"

namespace veo {

/// Owns a row until it is destroyed.
class RowLock {
 public:
  RowLock() = default;

  /// Tries to own the row. nullopt: the row has another owner. `path` is the lock file, which is
  /// made if there is none, and never removed. Fails with ledger.
  static Result<std::optional<RowLock>> try_acquire(const std::string& path, std::int64_t row);

 private:
  explicit RowLock(FileHandle file) : file_(std::move(file)) {}

  FileHandle file_;
};

}  // namespace veo
