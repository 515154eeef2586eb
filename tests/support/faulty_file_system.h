// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The files of the ledger and the cache, with faults. A test can make an operation fail, and it can
// end the process, or simulate a power loss, between two operations.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fault_sequence.h"
#include "veo/system/file_system.h"

namespace veo::test {

class FaultyVfs;

/// A FileSystem with faults. The operations of SQLite and the operations through FileSystem form
/// one sequence. Any thread may use it.
class FaultyFileSystem : public FileSystem {
 public:
  /// Also registers a VFS with SQLite, over the default VFS. The destructor unregisters it.
  explicit FaultyFileSystem(FaultPlan plan);
  ~FaultyFileSystem() override;
  FaultyFileSystem(const FaultyFileSystem&) = delete;
  FaultyFileSystem& operator=(const FaultyFileSystem&) = delete;

  // The lists of FaultSequence up to now.
  [[nodiscard]] std::vector<std::string> operations() const;
  [[nodiscard]] std::vector<std::string> steps() const;
  [[nodiscard]] std::vector<std::string> faults() const;

  /// Undoes all changes that were not synced, as a kill with `drop_unsynced` does. The process goes
  /// on. No file may be open in SQLite.
  void lose_power();

  int openat(int directory, const char* path, int flags, mode_t mode) override;
  ssize_t pread(int fd, void* into, std::size_t size, off_t offset) override;
  ssize_t pwrite(int fd, const void* from, std::size_t size, off_t offset) override;
  int fsync(int fd) override;
  int ftruncate(int fd, off_t size) override;
  int fallocate(int fd, off_t offset, off_t size) override;
  int fstat(int fd, struct stat* info) override;
  int mkdir(const char* path, mode_t mode) override;
  int renameat(int from_directory, const char* from, int to_directory, const char* to) override;
  int unlinkat(int directory, const char* path, int flags) override;
  int lock(int fd, const struct flock& lock) override;
  [[nodiscard]] const char* sqlite_vfs() const override;

 private:
  const std::unique_ptr<FaultSequence> sequence_;
  const std::unique_ptr<FaultyVfs> vfs_;
};

}  // namespace veo::test
