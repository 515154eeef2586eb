// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The part of a FaultyFileSystem for SQLite: a VFS over the default VFS
// (https://www.sqlite.org/vfs.html, section 2.2).
#pragma once

#include <sqlite3.h>

#include "fault_sequence.h"

namespace veo::test {

/// A SQLite VFS with faults. A fault becomes the same code as in SQLite's unix VFS. After EINTR
/// that VFS repeats open, read, write and truncate; a lock becomes busy, and a sync fails.
///
/// The first sync of a journal or WAL also syncs its directory; both count as one operation. The
/// same holds for xDelete and the sync of its directory.
class FaultyVfs {
 public:
  /// Throws std::runtime_error if SQLite refuses the VFS.
  explicit FaultyVfs(FaultSequence& sequence);
  ~FaultyVfs();
  FaultyVfs(const FaultyVfs&) = delete;
  FaultyVfs& operator=(const FaultyVfs&) = delete;

  [[nodiscard]] const char* name() const { return vfs_.zName; }
  [[nodiscard]] FaultSequence& sequence() const { return sequence_; }
  /// The default VFS below this one.
  [[nodiscard]] sqlite3_vfs* real() const { return real_; }

 private:
  FaultSequence& sequence_;
  sqlite3_vfs* const real_;
  sqlite3_vfs vfs_;
};

}  // namespace veo::test
