// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/system/child_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <thread>

#include "command.h"

namespace veo {
namespace {

using End = CommandResult::End;

TEST(CommandTest, GivesWhatItPrinted) {
  const auto result = run_command("echo out; echo error >&2; exit 7", 1000, {});
  EXPECT_EQ(result.end, End::exited);
  EXPECT_EQ(result.status, 7);
  EXPECT_EQ(result.output, "out\n");
  EXPECT_EQ(result.errors, "error\n");
}

TEST(CommandTest, ReadsNothingFromOurInput) {
  const auto result = run_command("cat; echo end", 1000, {});
  EXPECT_EQ(result.output, "end\n");
}

TEST(CommandTest, KeepsTheEndOfItsErrors) {
  const auto result = run_command("seq 100000 >&2; echo last >&2", 1000, {});
  EXPECT_LE(result.errors.size(), 4096U);
  EXPECT_THAT(result.errors, testing::EndsWith("100000\nlast\n"));
}

TEST(CommandTest, TellsASignal) {
  const auto result = run_command("kill -SEGV $$", 1000, {});
  EXPECT_EQ(result.end, End::signalled);
  EXPECT_EQ(result.status, SIGSEGV);
}

TEST(CommandTest, IsEndedWhenItPrintsTooMuch) {
  const auto result = run_command("yes", 1000, {});
  EXPECT_EQ(result.end, End::flooded);
}

TEST(CommandTest, BeginsWithoutBlockedSignals) {
  sigset_t blocked;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGTERM);
  sigset_t before;
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  const auto result = run_command("kill -TERM $$; echo alive", 1000, {});
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  EXPECT_EQ(result.end, End::signalled);
  EXPECT_EQ(result.output, "");
}

TEST(CommandTest, MayBeReapedByTheApplication) {
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  struct sigaction before {};
  ::sigaction(SIGCHLD, &ignore, &before);
  const auto result = run_command("echo out", 1000, {});
  ::sigaction(SIGCHLD, &before, nullptr);
  EXPECT_EQ(result.end, End::unknown);
  EXPECT_EQ(result.output, "out\n");
}

TEST(ChildFamily, EndsWithAllThatIgnoresTheSignal) {
  const test::TemporaryDirectory directory;
  const auto child = spawn_shell("trap '' TERM; sleep 600 & echo $! > " + directory.file("inner") +
                                     "; echo > " + directory.file("up") + "; wait; sleep 600",
                                 {});
  ASSERT_TRUE(child);
  while (::access(directory.file("up").c_str(), F_OK) != 0) std::this_thread::yield();
  EXPECT_FALSE(has_child_ended(*child));
  end_child_family(*child, SIGTERM);
  int status = 0;
  ASSERT_EQ(::waitpid(*child, &status, 0), *child);
  EXPECT_TRUE(WIFSIGNALED(status));
  pid_t inner = 0;
  std::ifstream(directory.file("inner")) >> inner;
  ASSERT_GT(inner, 0);
  // Somebody else reaps the orphan.
  std::string state;
  do {
    std::ifstream stat("/proc/" + std::to_string(inner) + "/stat");
    std::string word;
    state.clear();
    stat >> word >> word >> state;
  } while (!state.empty() && state != "Z" && state != "X");
}

}  // namespace
}  // namespace veo
