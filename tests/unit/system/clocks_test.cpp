// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/system/clocks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <time.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace veo {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using testing::StartsWith;

milliseconds read(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return milliseconds(now.tv_sec * 1000 + now.tv_nsec / 1'000'000);
}

TEST(Clocks, AreThoseOfTheKernel) {
  const auto wall = read(CLOCK_REALTIME);
  const auto uptime = read(CLOCK_BOOTTIME);
  const auto clocks = read_clocks();
  EXPECT_GE(clocks.wall.time_since_epoch(), wall);
  EXPECT_LE(clocks.wall.time_since_epoch(), read(CLOCK_REALTIME));
  EXPECT_GE(clocks.uptime, uptime);
  EXPECT_LE(clocks.uptime, read(CLOCK_BOOTTIME));
}

TEST(Clocks, NameTheBootAndTheTimeNamespace) {
  std::string boot;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), boot);
  if (boot.empty()) GTEST_SKIP() << "/proc has no boot_id here";
  EXPECT_THAT(read_clocks().boot, StartsWith(boot));
  std::error_code error;
  const auto name = std::filesystem::read_symlink("/proc/self/ns/time", error).string();
  if (error) GTEST_SKIP() << "the kernel has no time namespaces";
  // The link is `time:[INODE]`.
  EXPECT_EQ("time:[" + read_clocks().boot.substr(boot.size() + 1) + "]", name);
}

TEST(Clocks, AreOfOneBootInOneProcess) { EXPECT_EQ(read_clocks().boot, read_clocks().boot); }

}  // namespace
}  // namespace veo
