// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The files of the ledger and the cache, with faults on call: operations that fail, and processes
// that end, or computers that lose power, between two of them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fault_sequence.h"
#include "veo/system/file_system.h"

namespace veo::test {

class FaultyVfs;

/// SQLite's operations on its files, and those through the seam, are one sequence. Any thread.
class FaultyFileSystem : public FileSystem {
 public:
  /// Registers a VFS with SQLite, too, until it is destroyed. It lies over SQLite's default.
  explicit FaultyFileSystem(FaultPlan plan);
  ~FaultyFileSystem() override;
  FaultyFileSystem(const FaultyFileSystem&) = delete;
  FaultyFileSystem& operator=(const FaultyFileSystem&) = delete;

  // So far. As in FaultSequence.
  [[nodiscard]] std::vector<std::string> operations() const;
  [[nodiscard]] std::vector<std::string> steps() const;
  [[nodiscard]] std::vector<std::string> faults() const;

  /// Takes back what was not synced, as the kill with `drop_unsynced` does, and goes on. Nothing
  /// may be open in SQLite.
  void lose_power();

  int openat(int directory, const char* path, int flags, mode_t mode) override;
  ssize_t pread(int fd, void* into, std::size_t size, off_t offset) override;
  ssize_t pwrite(int fd, const void* from, std::size_t size, off_t offset) override;
  int fsync(int fd) override;
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
