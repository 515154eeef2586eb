// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The changes that a power loss undoes: the changes of each file and directory since its last sync.
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace veo::test {

/// Keeps the old bytes and names before each change, and restores them. A path is absolute, or
/// `/proc/self/fd/N` if the file may have no name any more. Not thread-safe.
///
/// An fsync makes the same changes durable as on ext4. There the creation of a file is in the same
/// journal transaction as its inode, or in an earlier one. So the fsync of a file makes durable:
/// its contents, the name under which it was created, and the directories that were made for it. A
/// rename or an unlink needs the fsync of its directory. (ext4 commits more than that, but a
/// program must not rely on it.)
class UndoLog {
 public:
  class File;
  /// Called before a write of `size` bytes at `offset`. The write may fail.
  void on_write(const std::string& path, off_t offset, std::size_t size);
  /// Called before the file gets the size `size`.
  void on_truncate(const std::string& path, off_t size);
  /// Called after the file or directory was made.
  void on_created(const std::string& path);

  /// Keeps the file behind the name. Called before the name is unlinked or replaced.
  using Held = std::shared_ptr<File>;
  Held hold(const std::string& path);
  /// Called after the unlink.
  void on_unlinked(const std::string& path, Held gone);
  /// Called after the rename.
  void on_renamed(const std::string& from, const std::string& to, Held replaced);

  /// Called after the fsync of a file or a directory.
  void on_synced(const std::string& path);
  /// Registers a file that is in fact shared memory. A power loss removes it.
  void add_memory(const std::string& path);

  /// Undoes the changes that were not synced, the last one first. No other thread may write
  /// meanwhile.
  void lose_power();

 private:
  enum class Kind { write, create, make_directory, rename, unlink };
  struct Change {
    Kind kind;
    Held file;         // the file that was written, created, unlinked or replaced
    std::string path;  // the new path if it was a rename
    std::string from;
    off_t offset = 0;
    off_t size = 0;
    std::string bytes;
  };
  void keep(const std::string& path, off_t offset, std::size_t size);
  void undo(const Change& change);

  std::vector<Change> changes_;
  std::map<std::pair<dev_t, ino_t>, Held> files_;
  std::set<std::string> memory_;
};

}  // namespace veo::test
