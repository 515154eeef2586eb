// SPDX-License-Identifier: LGPL-2.1-or-later
#include "row_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <limits>
#include <optional>
#include <thread>

#include "command.h"
#include "process.h"

namespace veo {
namespace {

class RowLockTest : public testing::Test {
 protected:
  /// Returns nullopt if another owner holds the lock.
  std::optional<RowLock> acquire(std::int64_t row) {
    auto lock = RowLock::try_acquire(path_, row);
    EXPECT_TRUE(lock) << lock.error().message;
    return lock ? std::move(*lock) : std::nullopt;
  }

  const test::TemporaryDirectory directory_;
  const std::string path_ = directory_.file("ledger.db-locks");
};

TEST_F(RowLockTest, ExcludesWithinAProcessUntilItIsDestroyed) {
  auto owner = acquire(7);
  ASSERT_TRUE(owner);
  EXPECT_FALSE(acquire(7));
  std::thread([&] { EXPECT_FALSE(acquire(7)); }).join();
  owner.reset();
  EXPECT_TRUE(acquire(7));
}

// A POSIX record lock would be lost when any descriptor of the file is closed. This lock is not.
TEST_F(RowLockTest, OutlivesOtherUsersOfTheFile) {
  const auto owner = acquire(7);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(acquire(7)) << i;
  EXPECT_TRUE(acquire(8)) << "this lock's descriptor is closed at once";
  EXPECT_FALSE(acquire(7));
}

TEST_F(RowLockTest, IsOfOneRow) {
  const auto one = acquire(1);
  EXPECT_TRUE(acquire(0));
  EXPECT_TRUE(acquire(2));
  const auto last = acquire(std::numeric_limits<std::int64_t>::max());
  EXPECT_TRUE(last);
  EXPECT_FALSE(acquire(std::numeric_limits<std::int64_t>::max()));
  EXPECT_EQ(std::filesystem::file_size(path_), 0U) << "locks write nothing into the file";
}

TEST_F(RowLockTest, GoesWithItsMove) {
  auto owner = acquire(7);
  ASSERT_TRUE(owner);
  RowLock moved = std::move(*owner);
  owner.reset();
  EXPECT_FALSE(acquire(7));
  moved = RowLock();
  EXPECT_TRUE(acquire(7));
}

TEST_F(RowLockTest, ADeadProcessHoldsNothing) {
  test::Process other([&](const test::Process::Say& say) {
    const auto owner = RowLock::try_acquire(path_, 7);
    say(owner && *owner ? "mine" : "not mine");
    ::pause();
  });
  ASSERT_EQ(other.line(), "mine");
  EXPECT_FALSE(acquire(7));
  other.kill();
  EXPECT_TRUE(acquire(7));
}

TEST_F(RowLockTest, TheFileIsItsUsersAlone) {
  const auto mask = ::umask(0);
  EXPECT_TRUE(acquire(1));
  ::umask(mask);
  struct stat info {};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0600U);
}

TEST_F(RowLockTest, AFileThatCannotBeUsedIsAnErrorAndNobodysLock) {
  std::filesystem::create_symlink(directory_.file("elsewhere"), path_);
  for (const auto& path : {path_, directory_.file("missing/locks"), directory_.path()}) {
    const auto lock = RowLock::try_acquire(path, 1);
    ASSERT_FALSE(lock) << path;
    EXPECT_EQ(lock.error().code, ErrorCode::ledger);
    EXPECT_THAT(lock.error().message, testing::HasSubstr(path));
  }
  EXPECT_FALSE(std::filesystem::exists(directory_.file("elsewhere")));
  EXPECT_FALSE(RowLock::try_acquire(directory_.file("locks"), -1)) << "no row has such a number";
}

}  // namespace
}  // namespace veo
