// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Directories whose disk stops answering: whatever would change a file there waits until it thaws,
// as with fsfreeze(8). A thread that waits cannot be killed, so each thaws before it goes.
#pragma once

#include <memory>
#include <string>

#include "command.h"

namespace veo::test {

class Freezable {
 public:
  virtual ~Freezable() = default;
  Freezable() = default;
  Freezable(const Freezable&) = delete;
  Freezable& operator=(const Freezable&) = delete;

  [[nodiscard]] virtual std::string path() const = 0;
  virtual void freeze() = 0;
  /// Does nothing where it is not frozen.
  virtual void thaw() = 0;
  /// Whether a thread of this process waits for it.
  [[nodiscard]] virtual bool holds_a_thread() const = 0;
};

/// By the seams that are there for tests: FileSystem, and the system calls of SQLite's VFS. One at
/// a time, and before anything is opened.
std::unique_ptr<Freezable> make_freezable_directory();

/// A real file system: ext4 in a file, mounted through a loop device. Null, and `why` says why,
/// where this machine does not allow it.
std::unique_ptr<Freezable> mount_freezable_file_system(std::string& why);

}  // namespace veo::test
