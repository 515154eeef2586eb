// SPDX-License-Identifier: LGPL-2.1-or-later
#include "faulty_file_system.h"

#include <cerrno>
#include <filesystem>
#include <utility>

#include "faulty_vfs.h"

namespace veo::test {

namespace fs = std::filesystem;

namespace {

std::string link_of(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

std::string path_of(int fd) {
  std::error_code error;
  return fs::read_symlink(link_of(fd), error).string();
}

/// Makes the path absolute and resolves its links, except in the last part, which may not exist.
std::string path_of(int directory, const char* path) {
  const auto base = directory == AT_FDCWD ? fs::current_path() : fs::path(path_of(directory));
  const auto whole = (base / path).lexically_normal();
  std::error_code error;
  const auto parent = fs::canonical(whole.parent_path(), error);
  return (error ? whole : parent / whole.filename()).string();
}

bool exists(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0;
}

}  // namespace

FaultyFileSystem::FaultyFileSystem(FaultPlan plan)
    : sequence_(std::make_unique<FaultSequence>(std::move(plan))),
      vfs_(std::make_unique<FaultyVfs>(*sequence_)) {}
FaultyFileSystem::~FaultyFileSystem() = default;

std::vector<std::string> FaultyFileSystem::operations() const {
  const auto entered = sequence_->enter();
  return sequence_->operations();
}
std::vector<std::string> FaultyFileSystem::steps() const {
  const auto entered = sequence_->enter();
  return sequence_->steps();
}
std::vector<std::string> FaultyFileSystem::faults() const {
  const auto entered = sequence_->enter();
  return sequence_->faults();
}

void FaultyFileSystem::lose_power() {
  const auto entered = sequence_->enter();
  if (auto* const undo = sequence_->undo()) undo->lose_power();
}

int FaultyFileSystem::openat(int directory, const char* path, int flags, mode_t mode) {
  const auto entered = sequence_->enter();
  const auto name = path_of(directory, path);
  if (const int error = sequence_->next(FileOperation::open, name); error != 0) {
    errno = error;
    return -1;
  }
  const bool creates = (flags & O_CREAT) != 0 && !exists(name);
  if (creates) sequence_->before_step(FileOperation::open, name);
  if ((flags & O_TRUNC) != 0 && !creates && sequence_->undo() != nullptr && exists(name)) {
    sequence_->undo()->on_truncate(name, 0);
  }
  const int fd = FileSystem::openat(directory, path, flags, mode);
  if (fd >= 0 && creates) {
    if (auto* const undo = sequence_->undo()) undo->on_created(name);
    sequence_->after_step();
  }
  return fd;
}

ssize_t FaultyFileSystem::pread(int fd, void* into, std::size_t size, off_t offset) {
  const auto entered = sequence_->enter();
  if (const int error = sequence_->next(FileOperation::read, path_of(fd)); error != 0) {
    errno = error;
    return -1;
  }
  return FileSystem::pread(fd, into, size, offset);
}

ssize_t FaultyFileSystem::pwrite(int fd, const void* from, std::size_t size, off_t offset) {
  const auto entered = sequence_->enter();
  const int error = sequence_->next(FileOperation::write, path_of(fd));
  if (error == FaultPlan::short_write) {
    size = (size + 1) / 2;
  } else if (error != 0) {
    errno = error;
    return -1;
  }
  if (auto* const undo = sequence_->undo()) undo->on_write(link_of(fd), offset, size);
  return FileSystem::pwrite(fd, from, size, offset);
}

int FaultyFileSystem::fsync(int fd) {
  const auto entered = sequence_->enter();
  const auto name = path_of(fd);
  if (const int error = sequence_->next(FileOperation::sync, name); error != 0) {
    errno = error;
    return -1;
  }
  sequence_->before_step(FileOperation::sync, name);
  const int result = FileSystem::fsync(fd);
  if (result == 0) {
    if (auto* const undo = sequence_->undo()) undo->on_synced(link_of(fd));
    sequence_->after_step();
  }
  return result;
}

int FaultyFileSystem::ftruncate(int fd, off_t size) {
  const auto entered = sequence_->enter();
  if (const int error = sequence_->next(FileOperation::truncate, path_of(fd)); error > 0) {
    errno = error;
    return -1;
  }
  if (auto* const undo = sequence_->undo()) undo->on_truncate(link_of(fd), size);
  return FileSystem::ftruncate(fd, size);
}

int FaultyFileSystem::fallocate(int fd, off_t offset, off_t size) {
  const auto entered = sequence_->enter();
  if (const int error = sequence_->next(FileOperation::write, path_of(fd)); error > 0) {
    errno = error;
    return -1;
  }
  return FileSystem::fallocate(fd, offset, size);
}

int FaultyFileSystem::fstat(int fd, struct stat* info) {
  const auto entered = sequence_->enter();
  if (const int error = sequence_->next(FileOperation::stat, path_of(fd)); error != 0) {
    errno = error;
    return -1;
  }
  return FileSystem::fstat(fd, info);
}

int FaultyFileSystem::mkdir(const char* path, mode_t mode) {
  const auto entered = sequence_->enter();
  const auto name = path_of(AT_FDCWD, path);
  if (const int error = sequence_->next(FileOperation::mkdir, name); error != 0) {
    errno = error;
    return -1;
  }
  if (exists(name)) return FileSystem::mkdir(path, mode);
  sequence_->before_step(FileOperation::mkdir, name);
  const int result = FileSystem::mkdir(path, mode);
  if (result == 0) {
    if (auto* const undo = sequence_->undo()) undo->on_created(name);
    sequence_->after_step();
  }
  return result;
}

int FaultyFileSystem::renameat(int from_directory, const char* from, int to_directory,
                               const char* to) {
  const auto entered = sequence_->enter();
  const auto old_name = path_of(from_directory, from);
  const auto name = path_of(to_directory, to);
  if (const int error = sequence_->next(FileOperation::rename, name); error != 0) {
    errno = error;
    return -1;
  }
  sequence_->before_step(FileOperation::rename, name);
  auto* const undo = sequence_->undo();
  auto replaced = undo != nullptr ? undo->hold(name) : nullptr;
  const int result = FileSystem::renameat(from_directory, from, to_directory, to);
  if (result == 0) {
    if (undo != nullptr) undo->on_renamed(old_name, name, std::move(replaced));
    sequence_->after_step();
  }
  return result;
}

int FaultyFileSystem::unlinkat(int directory, const char* path, int flags) {
  const auto entered = sequence_->enter();
  const auto name = path_of(directory, path);
  if (const int error = sequence_->next(FileOperation::unlink, name); error != 0) {
    errno = error;
    return -1;
  }
  if (!exists(name)) return FileSystem::unlinkat(directory, path, flags);
  sequence_->before_step(FileOperation::unlink, name);
  auto* const undo = sequence_->undo();
  auto gone = undo != nullptr ? undo->hold(name) : nullptr;
  const int result = FileSystem::unlinkat(directory, path, flags);
  if (result == 0) {
    if (undo != nullptr) undo->on_unlinked(name, std::move(gone));
    sequence_->after_step();
  }
  return result;
}

int FaultyFileSystem::lock(int fd, const struct flock& lock) {
  const auto entered = sequence_->enter();
  if (const int error = sequence_->next(FileOperation::lock, path_of(fd)); error != 0) {
    errno = error;
    return -1;
  }
  return FileSystem::lock(fd, lock);
}

const char* FaultyFileSystem::sqlite_vfs() const { return vfs_->name(); }

}  // namespace veo::test
