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
#include <string>
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

/// Runs `work` in a child that then exits normally, and returns what the child has written to its
/// pipe.
std::string output_of_child(void (*work)()) {
  int pipe[2] = {-1, -1};
  EXPECT_EQ(::pipe(pipe), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(pipe[1], 3);
    ::close(pipe[1]);
    work();
    std::exit(0);
  }
  ::close(pipe[1]);
  std::string text;
  for (char byte = 0; ::read(pipe[0], &byte, 1) == 1;) text += byte;
  ::close(pipe[0]);
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  return text;
}

void say(const char* text) { EXPECT_EQ(::write(3, text, 1), 1); }

TEST(AtExit, DoesTheStepsInTheirOrderAndEachFunctionOnce) {
  const auto said = output_of_child([] {
    at_exit(ExitStep::threads, [] { say("t"); });
    constexpr auto* last = +[] { say("l"); };
    at_exit(ExitStep::last_work, last);
    at_exit(ExitStep::last_work, last);
    at_exit(ExitStep::submissions, [] { say(has_exit_begun() ? "s" : "?"); });
    say(has_exit_begun() ? "?" : "-");
  });
  EXPECT_EQ(said, "-slt");
}

TEST(AtExit, DoesNothingInAForkedChild) {
  const auto said = output_of_child([] {
    at_exit(ExitStep::last_work, [] { say("l"); });
    const pid_t child = ::fork();
    if (child == 0) std::exit(0);
    EXPECT_EQ(::waitpid(child, nullptr, 0), child);
    say("-");
  });
  EXPECT_EQ(said, "-l");
}

}  // namespace
}  // namespace veo
