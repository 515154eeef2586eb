// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Ctrl-C: the first one ends the player. The second one ends the command, whatever the command
// waits for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string_view>

#include "shell.h"

namespace veo::test {
namespace {

using testing::HasSubstr;

/// Returns whether the command blocks the signal. Between fork(2) and execve(2) the C library
/// blocks all signals for a moment, so the function waits until the process runs the command.
bool blocks_signal(const Program& program, int signal) {
  const auto process = "/proc/" + std::to_string(program.pid());
  std::error_code error;
  const auto runs = std::filesystem::read_symlink(process + "/exe", error);
  if (error || runs == std::filesystem::read_symlink("/proc/self/exe")) return false;
  std::ifstream status(process + "/status");
  for (std::string line; std::getline(status, line);) {
    constexpr std::string_view blocked = "SigBlk:";
    if (!line.starts_with(blocked)) continue;
    return (std::stoull(line.substr(blocked.size()), nullptr, 16) >> (signal - 1) & 1U) != 0;
  }
  return false;
}

/// Returns whether the process still runs. A zombie does not count: it only waits for its parent.
bool is_left(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/stat");
  std::string id;
  std::string command;
  std::string state;
  return (status >> id >> command >> state) && state != "Z" && state != "X";
}

class SecondSignal : public testing::TestWithParam<int> {
 protected:
  /// Sends the signal again and again, as an impatient user does. The command counts signals that
  /// follow the first one within a moment as one request.
  static void signal_until_it_ends(const Program& program, int signal) {
    ASSERT_TRUE(wait_until([&] {
      program.kill(signal);
      return program.has_ended();
    }));
  }
};

TEST_P(SecondSignal, EndsAWaitForALockedLedger) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  ASSERT_EQ(shell.veo({"generate", "a dog", "-o", "dog.mp4"}).exit_code, 0);
  const auto settings = shell.settings({"generate", "another dog", "-o", "other.mp4"});
  sqlite3* raw = nullptr;
  ASSERT_EQ(sqlite3_open(settings.env.at("VEO_LEDGER").c_str(), &raw), SQLITE_OK);
  const std::unique_ptr<sqlite3, decltype(&sqlite3_close)> database(raw, &sqlite3_close);
  ASSERT_EQ(sqlite3_exec(raw, "BEGIN EXCLUSIVE", nullptr, nullptr, nullptr), SQLITE_OK);
  Program running(settings);
  ASSERT_TRUE(wait_until([&] { return blocks_signal(running, GetParam()); }));
  signal_until_it_ends(running, GetParam());
  const auto ended = running.wait(std::chrono::seconds(20));
  EXPECT_EQ(ended.exit_code, 130) << ended;
  EXPECT_EQ(ended.signal, 0) << "it hung";
  EXPECT_EQ(simulator.state().at("submissions"), 1);
}

TEST_P(SecondSignal, EndsTheWaitForASubmissionsAnswer) {
  const auto simulator = start_simulator("0s", {"--fault", "submit:stall"});
  const Shell shell(simulator);
  Program running(shell.settings({"generate", "a dog", "-o", "dog.mp4"}));
  ASSERT_TRUE(wait_until([&] { return simulator.state().at("submissions") == 1; }));
  // Two signals at once, as timeout(1) sends them, count as one request.
  running.kill(GetParam());
  running.kill(GetParam());
  ASSERT_TRUE(running.wait_for("waiting up to 5 s")) << "two signals at once count as one";
  signal_until_it_ends(running, GetParam());
  const auto ended = running.wait();
  EXPECT_EQ(ended.exit_code, 130) << ended;
  EXPECT_THAT(ended.errors, HasSubstr("Ended at once"));
  EXPECT_THAT(ended.errors, HasSubstr("may be accepted and paid"));
  EXPECT_THAT(ended.errors, testing::Not(HasSubstr("no answer"))) << "it must not wait for 5 s";
  // The next run finds the submission in the ledger, and pays nothing.
  const auto next = shell.veo({"generate", "a dog", "-o", "dog.mp4"});
  EXPECT_EQ(next.exit_code, 8) << next;
  EXPECT_EQ(simulator.state().at("submissions"), 1);
}

TEST_P(SecondSignal, EndsThePlayerToo) {
  const auto simulator = start_simulator("0s", {"--task-id", "T"});
  const Shell shell(simulator);
  ASSERT_EQ(shell.veo({"generate", "a dog", "-o", "dog.mp4"}).exit_code, 0);
  // The player reads nothing, and ignores the end of its input and the signals.
  Program running(shell.settings({"play", "T", "--player",
                                  "trap '' INT TERM HUP; echo $$ >player; sleep 1000 & echo $! "
                                  ">child; echo up >&2; wait; wait; "
                                  "sleep 1000"}));
  ASSERT_TRUE(running.wait_for("up"));
  signal_until_it_ends(running, GetParam());
  const auto ended = running.wait(std::chrono::seconds(30));
  EXPECT_EQ(ended.exit_code, 130) << ended;
  for (const auto* const name : {"player", "child"}) {
    const auto pid = static_cast<pid_t>(std::stol(shell.contents(name)));
    EXPECT_TRUE(wait_until([pid] { return !is_left(pid); })) << name;
  }
}

class FirstSignal : public testing::TestWithParam<int> {};

TEST_P(FirstSignal, EndsThePlayerThatStillPlays) {
  const auto simulator = start_simulator("0s", {"--task-id", "T"});
  const Shell shell(simulator);
  ASSERT_EQ(shell.veo({"generate", "a dog", "-o", "dog.mp4"}).exit_code, 0);
  // The player has read the whole video, and would play it for minutes.
  Program running(shell.settings(
      {"play", "T", "--player", "echo $$ >player; cat >/dev/null; echo up >&2; exec sleep 1000"}));
  ASSERT_TRUE(running.wait_for("up"));
  running.kill(GetParam());
  const auto ended = running.wait(std::chrono::seconds(10));
  EXPECT_EQ(ended.exit_code, 130) << ended;
  EXPECT_EQ(ended.signal, 0) << "it hung";
  EXPECT_FALSE(is_left(static_cast<pid_t>(std::stol(shell.contents("player")))));
}

TEST_P(FirstSignal, EndsThePlayerThatReadsNothing) {
  const auto simulator = start_simulator("0s", {"--task-id", "T"});
  const Shell shell(simulator);
  ASSERT_EQ(shell.veo({"generate", "a dog", "-o", "dog.mp4"}).exit_code, 0);
  Program running(shell.settings(
      {"play", "T", "--player", "trap '' INT TERM; echo $$ >player; echo up >&2; sleep 1000"}));
  ASSERT_TRUE(running.wait_for("up"));
  running.kill(GetParam());
  const auto ended = running.wait(std::chrono::seconds(10));
  EXPECT_EQ(ended.exit_code, 130) << ended;
  EXPECT_EQ(ended.signal, 0) << "it hung";
  EXPECT_FALSE(is_left(static_cast<pid_t>(std::stol(shell.contents("player")))));
}

INSTANTIATE_TEST_SUITE_P(All, FirstSignal, testing::Values(SIGINT, SIGTERM));
INSTANTIATE_TEST_SUITE_P(All, SecondSignal, testing::Values(SIGINT, SIGTERM));

}  // namespace
}  // namespace veo::test
