// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Every operation of the ledger and the cache on files. Tests replace this object to let an
// operation fail, to lose what was not synced, or to end the process. SQLite does its own I/O: a
// test's FileSystem names a VFS of SQLite (https://www.sqlite.org/vfs.html) that does the same.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <cerrno>
#include <cstddef>

namespace veo {

/// Makes a system call, and repeats the call while a signal interrupts it.
template <class Call>
auto retried(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

/// Each operation is the system call of the same name: −1 and errno if the call fails. Any thread.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  /// Returns the file system that the process uses.
  static FileSystem& get();
  /// Replaces the file system, for tests, before anything is opened. Null restores the real one.
  /// The caller keeps the ownership.
  static void set(FileSystem* replacement);

  virtual int openat(int directory, const char* path, int flags, mode_t mode);
  virtual int close(int fd);
  virtual ssize_t pread(int fd, void* into, std::size_t size, off_t offset);
  virtual ssize_t pwrite(int fd, const void* from, std::size_t size, off_t offset);
  virtual int fsync(int fd);
  virtual int ftruncate(int fd, off_t size);
  /// fallocate(2) with FALLOC_FL_KEEP_SIZE.
  virtual int fallocate(int fd, off_t offset, off_t size);
  virtual int fstat(int fd, struct stat* info);
  virtual int mkdir(const char* path, mode_t mode);
  virtual int renameat(int from_directory, const char* from, int to_directory, const char* to);
  virtual int unlinkat(int directory, const char* path, int flags);
  /// fcntl(2) with F_OFD_SETLK.
  virtual int lock(int fd, const struct flock& lock);

  /// Names a registered VFS of SQLite; null stands for SQLite's default.
  [[nodiscard]] virtual const char* sqlite_vfs() const { return nullptr; }
};

}  // namespace veo
