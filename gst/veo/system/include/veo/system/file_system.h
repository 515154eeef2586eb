// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Every operation on files that the ledger and the cache do: the one seam at which tests let them
// fail, lose what was not synced, or end the process. SQLite does its own I/O; what stands in its
// place is a VFS of SQLite's (https://www.sqlite.org/vfs.html), which a FileSystem names.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <cerrno>
#include <cstddef>

namespace veo {

/// The system call's result, made again as long as a signal gets in its way.
template <class Call>
auto retried(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

/// Each operation is the system call of the same name: −1 and errno where it fails. Any thread.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  /// The process's.
  static FileSystem& get();
  /// For tests, before anything is opened; null restores the real one. Not owned.
  static void set(FileSystem* replacement);

  virtual int openat(int directory, const char* path, int flags, mode_t mode);
  virtual int close(int fd);
  virtual ssize_t pread(int fd, void* into, std::size_t size, off_t offset);
  virtual ssize_t pwrite(int fd, const void* from, std::size_t size, off_t offset);
  virtual int fsync(int fd);
  virtual int fstat(int fd, struct stat* info);
  virtual int mkdir(const char* path, mode_t mode);
  virtual int renameat(int from_directory, const char* from, int to_directory, const char* to);
  virtual int unlinkat(int directory, const char* path, int flags);
  /// fcntl(2) with F_OFD_SETLK.
  virtual int lock(int fd, const struct flock& lock);

  /// The name of a registered VFS of SQLite; null: SQLite's own default.
  [[nodiscard]] virtual const char* sqlite_vfs() const { return nullptr; }
};

}  // namespace veo
