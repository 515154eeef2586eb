// SPDX-License-Identifier: LGPL-2.1-or-later
//
// SQLite's part of a FaultyFileSystem: a VFS over the default one
// (https://www.sqlite.org/vfs.html, section 2.2).
#pragma once

#include <sqlite3.h>

#include "fault_sequence.h"

namespace veo::test {

/// Faults become the codes that SQLite's unix VFS makes of them. An EINTR it survives itself where
/// it opens, reads, writes and truncates; a lock is then busy, and a sync fails.
/// xSync counts as one operation with the sync of the directory that SQLite adds to the first one
/// of a journal or WAL, and so does xDelete with its own.
class FaultyVfs {
 public:
  /// Throws std::runtime_error where SQLite will not have it.
  explicit FaultyVfs(FaultSequence& sequence);
  ~FaultyVfs();
  FaultyVfs(const FaultyVfs&) = delete;
  FaultyVfs& operator=(const FaultyVfs&) = delete;

  [[nodiscard]] const char* name() const { return vfs_.zName; }
  [[nodiscard]] FaultSequence& sequence() const { return sequence_; }
  /// The one below.
  [[nodiscard]] sqlite3_vfs* real() const { return real_; }

 private:
  FaultSequence& sequence_;
  sqlite3_vfs* const real_;
  sqlite3_vfs vfs_;
};

}  // namespace veo::test
