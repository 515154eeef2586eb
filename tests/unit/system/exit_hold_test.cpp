// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/system/exit_hold.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>

#include "command.h"
#include "veo/system/store_thread.h"

namespace veo {
namespace {

using namespace std::chrono_literals;

/// Runs a process that exits while a slow disk still has to write `path`. Returns the duration of
/// the exit.
std::chrono::steady_clock::duration exit_beside(const std::string& path,
                                                std::chrono::milliseconds disk) {
  const auto before = std::chrono::steady_clock::now();
  const pid_t child = ::fork();
  if (child == 0) {
    StoreThread::acquire(StoreThread::Store::clips)->post([path, disk, hold = hold_exit()] {
      std::this_thread::sleep_for(disk);
      std::ofstream(path) << "whole";
    });
    std::exit(0);
  }
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  return std::chrono::steady_clock::now() - before;
}

TEST(ExitHold, AnExitWaitsForTheWorkThatHoldsIt) {
  const test::TemporaryDirectory directory;
  exit_beside(directory.file("clip"), 200ms);
  EXPECT_TRUE(std::filesystem::exists(directory.file("clip")));
}

TEST(ExitHold, AnExitDoesNotWaitForEver) {
  const test::TemporaryDirectory directory;
  EXPECT_LT(exit_beside(directory.file("clip"), 60s), 30s);
  EXPECT_FALSE(std::filesystem::exists(directory.file("clip")));
}

TEST(ExitCount, TheEndOfTheLastHoldEndsTheWait) {
  ExitCount count;
  EXPECT_TRUE(count.wait_for_end(0ms));
  auto one = std::make_unique<ExitCount::Hold>(count);
  auto other = std::make_unique<ExitCount::Hold>(count);
  EXPECT_FALSE(count.wait_for_end(1ms));
  other.reset();
  EXPECT_FALSE(count.wait_for_end(1ms));
  const std::jthread thread([&] { one.reset(); });
  EXPECT_TRUE(count.wait_for_end(1h));
}

TEST(ExitCount, KnowsThatTheExitHasBegun) {
  ExitCount count;
  EXPECT_FALSE(count.has_exit_begun());
  count.begin_exit();
  EXPECT_TRUE(count.has_exit_begun());
}

}  // namespace
}  // namespace veo
