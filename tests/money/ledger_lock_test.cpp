// SPDX-License-Identifier: LGPL-2.1-or-later
//
// SQLite's locks are POSIX locks: closing any descriptor of the file drops all of the process's
// locks.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "command.h"
#include "veo/ledger/ledger.h"

namespace veo::test {
namespace {

/// Returns whether this process holds the lock that every user of a WAL holds. The last user who
/// closes the file removes the WAL. If this lock is lost, another process removes the WAL while
/// this process uses the WAL.
bool holds_shared_lock(const std::string& path) {
  const auto pid = ::fork();  // only another process sees this process's locks
  if (pid == 0) {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = 0x40000002;  // SHARED_FIRST and SHARED_SIZE of SQLite's file format
    lock.l_len = 510;
    const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    const bool known = fd >= 0 && ::fcntl(fd, F_GETLK, &lock) == 0;
    ::_exit(known && lock.l_type != F_UNLCK ? 0 : 1);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(LedgerLock, IsKeptWhenTheFileIsOpenedByAnotherName) {
  const TemporaryDirectory home;
  const auto path = home.file("state/ledger.db");
  const auto first = Ledger::open(path);
  ASSERT_TRUE(first && *first);
  ASSERT_TRUE(holds_shared_lock(path));
  std::filesystem::create_directory_symlink(home.file("state"), home.file("alias"));
  const auto second = Ledger::open(home.file("alias/ledger.db"));
  ASSERT_TRUE(second && *second);
  EXPECT_TRUE(holds_shared_lock(path));
}

}  // namespace
}  // namespace veo::test
