// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Directories on a disk that a test can freeze, as fsfreeze(8) does. While the disk is frozen, each
// operation that changes a file waits until the disk thaws. A waiting thread cannot be killed, so
// the destructors thaw.
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
  /// Does nothing if the disk is not frozen.
  virtual void thaw() = 0;
  /// Whether a thread of this process waits for the disk.
  [[nodiscard]] virtual bool holds_a_thread() const = 0;
};

/// Makes a directory whose operations wait in this process: in FileSystem, and in the system calls
/// of SQLite's VFS. Only one may exist at a time, and it must be made before any file is opened.
std::unique_ptr<Freezable> make_freezable_directory();

/// Makes a real file system: ext4 in a file, mounted with a loop device. Returns null and sets
/// `why` if this machine does not allow it.
std::unique_ptr<Freezable> mount_freezable_file_system(std::string& why);

}  // namespace veo::test
