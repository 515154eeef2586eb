// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/system/file_system.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>

namespace veo {

namespace {

std::atomic<FileSystem*>& replacement_slot() {
  static std::atomic<FileSystem*> slot{nullptr};
  return slot;
}

}  // namespace

FileSystem& FileSystem::get() {
  static auto* const real = new FileSystem;  // never destroyed: the I/O thread may outlive it
  auto* const replacement = replacement_slot().load();
  return replacement != nullptr ? *replacement : *real;
}

void FileSystem::set(FileSystem* replacement) { replacement_slot() = replacement; }

int FileSystem::openat(int directory, const char* path, int flags, mode_t mode) {
  return ::openat(directory, path, flags, mode);
}
int FileSystem::close(int fd) { return ::close(fd); }
ssize_t FileSystem::pread(int fd, void* into, std::size_t size, off_t offset) {
  return ::pread(fd, into, size, offset);
}
ssize_t FileSystem::pwrite(int fd, const void* from, std::size_t size, off_t offset) {
  return ::pwrite(fd, from, size, offset);
}
int FileSystem::fsync(int fd) { return ::fsync(fd); }
int FileSystem::ftruncate(int fd, off_t size) { return ::ftruncate(fd, size); }
int FileSystem::fallocate(int fd, off_t offset, off_t size) {
  return ::fallocate(fd, FALLOC_FL_KEEP_SIZE, offset, size);
}
int FileSystem::fstat(int fd, struct stat* info) { return ::fstat(fd, info); }
int FileSystem::mkdir(const char* path, mode_t mode) { return ::mkdir(path, mode); }
int FileSystem::renameat(int from_directory, const char* from, int to_directory, const char* to) {
  return ::renameat(from_directory, from, to_directory, to);
}
int FileSystem::unlinkat(int directory, const char* path, int flags) {
  return ::unlinkat(directory, path, flags);
}
int FileSystem::lock(int fd, const struct flock& lock) {
  struct flock copy = lock;
  return ::fcntl(fd, F_OFD_SETLK, &copy);
}

}  // namespace veo
