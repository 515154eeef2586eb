// SPDX-License-Identifier: LGPL-2.1-or-later
#include "row_lock.h"

#include <cerrno>
#include <cstring>

#include "veo/core/error_table.h"

namespace veo {

Result<std::optional<RowLock>> RowLock::try_acquire(const std::string& path, std::int64_t row) {
  auto& files = FileSystem::get();
  const auto failed = [&] {
    const bool read_only = errno == EACCES || errno == EROFS || errno == EPERM;
    const std::string why = read_only ? "it is read-only" : std::strerror(errno);
    return fail(
        {.code = ErrorCode::ledger,
         .message = with_advice("The ledger's lock file " + path + " cannot be used: " + why + ".",
                                ErrorCode::ledger)});
  };
  FileHandle file(retried([&] {
    return files.openat(AT_FDCWD, path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  }));
  if (!file) return failed();
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = row;
  lock.l_len = 1;
  if (retried([&] { return files.lock(file.get(), lock); }) == 0) {
    return std::optional(RowLock(std::move(file)));
  }
  if (errno == EAGAIN || errno == EACCES) return std::optional<RowLock>();
  return failed();
}

}  // namespace veo
