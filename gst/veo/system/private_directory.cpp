// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/system/private_directory.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "veo/core/error_table.h"

namespace veo {

namespace {

constexpr mode_t private_mode = 0700;

FileHandle open_directory(const std::string& path) {
  return FileHandle(retried([&] {
    return FileSystem::get().openat(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  }));
}

/// Does `mkdir -p`: an existing directory is no failure. Syncs each new name to the disk.
void make_with_parents(const std::string& path) {
  auto& files = FileSystem::get();
  for (std::size_t slash = 0; slash != std::string::npos;) {
    const auto parent = slash == 0 ? (path.front() == '/' ? "/" : ".") : path.substr(0, slash);
    slash = path.find('/', slash + 1);
    if (files.mkdir(path.substr(0, slash).c_str(), private_mode) != 0) continue;
    if (const auto directory = open_directory(parent)) {
      retried([&] { return files.fsync(directory.get()); });
    }
  }
}

}  // namespace

Result<FileHandle> open_private_directory(const std::string& path, ErrorCode code,
                                          const std::string& what) {
  auto& files = FileSystem::get();
  const auto refuse = [&](const std::string& why) {
    return fail(
        {.code = code,
         .message = with_advice(what + " " + path + " cannot be used: " + why + ".", code)});
  };
  auto directory = open_directory(path);
  if (!directory && errno == ENOENT) {
    make_with_parents(path);
    directory = open_directory(path);
  }
  if (!directory) return refuse(std::strerror(errno));
  struct stat info {};
  if (files.fstat(directory.get(), &info) != 0) return refuse(std::strerror(errno));
  if (info.st_uid != ::geteuid()) return refuse("it belongs to another user");
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) return refuse("others may write there");
  return directory;
}

}  // namespace veo
