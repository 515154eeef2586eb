// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a power loss takes back: each change of a file or a directory since it was last synced.
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace veo::test {

/// Keeps what was there before each change, and puts it back. Paths are absolute, or
/// `/proc/self/fd/N` where a file need not have a name any more. Thread-compatible.
///
/// What an fsync makes durable is what it does on ext4, where the creation of a file is in the same
/// journal transaction as its inode, or in an earlier one: with its contents the name under which
/// it was created, and the directories that were made for it. A rename or an unlink takes the fsync
/// of its directory; ext4 commits more than that, of which a program must not make use.
class UndoLog {
 public:
  class File;
  /// Before bytes from `offset` on are written; also where that may fail.
  void writing(const std::string& path, off_t offset, std::size_t size);
  /// Before the file is cut, or grown, to that size.
  void truncating(const std::string& path, off_t size);
  /// After the file or directory was made.
  void created(const std::string& path);

  /// What a name stood for, taken before it goes.
  using Held = std::shared_ptr<File>;
  Held hold(const std::string& path);
  /// After it.
  void unlinked(const std::string& path, Held gone);
  void renamed(const std::string& from, const std::string& to, Held replaced);

  /// After an fsync of a file or a directory.
  void synced(const std::string& path);
  /// A file that no power loss leaves behind, as it is memory in truth.
  void is_memory(const std::string& path);

  /// Undoes what was not synced, the last change first. Nothing may be written beside it.
  void lose_power();

 private:
  enum class Kind { write, create, make_directory, rename, unlink };
  struct Change {
    Kind kind;
    Held file;         // written, created, unlinked or replaced
    std::string path;  // of a rename: the new one
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
