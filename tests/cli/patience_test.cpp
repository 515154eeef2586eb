// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A task that was paid is not given up too early: not by a process that was stopped, and not
// because its video is missing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "shell.h"

namespace veo::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using Clock = std::chrono::steady_clock;

// The process is stopped for longer than the generation timeout, as by a container that is paused.
// The task is completed meanwhile.
TEST(Patience, AStopThatOutlastsTheGenerationTimeoutLosesNothing) {
  constexpr auto timeout = std::chrono::seconds(5);
  const auto simulator = start_simulator("1s");
  const Shell shell(simulator);
  auto settings = shell.settings({"generate", "a dog", "-o", "dog.mp4", "--generation-timeout=5"});
  settings.env["VEO_POLL_INTERVAL"] = "500";
  Program program(settings);
  ASSERT_TRUE(wait_until([&] { return shell.recorded("accepted") == 1; }));
  program.stop();
  const auto stopped = Clock::now();
  const auto is_completed = [&] {
    return simulator.state().at("tasks").at(0).at("status") == "completed";
  };
  ASSERT_TRUE(wait_until(is_completed));
  ASSERT_TRUE(wait_until([&] { return Clock::now() > stopped + timeout; }));
  program.kill(SIGCONT);
  const auto ended = program.wait();
  EXPECT_EQ(ended.exit_code, 0) << ended;
  EXPECT_EQ(shell.recorded("completed"), 1);
  EXPECT_GT(shell.contents("dog.mp4").size(), 1000U);
  EXPECT_EQ(simulator.state().at("charges"), 1);
}

// A safety filter has refused the video: the service completes the task without a URL.
class WithoutVideo : public testing::Test {
 protected:
  [[nodiscard]] Program::Ended generate(const Shell& shell) const {
    auto settings = shell.settings({"generate", "a dog", "-o", "dog.mp4", "--json"});
    settings.env["VEO_POLL_INTERVAL"] = "";
    return Program(settings).wait(std::chrono::seconds(120));
  }
  static void expect_no_video(const Program::Ended& ended, const std::string& id) {
    EXPECT_EQ(ended.exit_code, 7) << ended;
    const auto error = last_event(ended.output, "error");
    ASSERT_TRUE(error.is_object()) << ended;
    EXPECT_EQ(error.at("code"), "task-failed");
    EXPECT_EQ(error.at("charged"), "unknown");
    EXPECT_EQ(error.at("task-id"), id);
    EXPECT_THAT(error.at("message").get<std::string>(), HasSubstr("take=2"));
    EXPECT_THAT(error.at("message").get<std::string>(), HasSubstr("safety filter"));
  }
};

TEST_F(WithoutVideo, IsAskedForForAMinuteThenOnceARunAndNeverPaidAgain) {
  auto simulator = start_simulator("0s", {"--fault", "query:no-urls"});
  const Shell shell(simulator);
  const auto queries = [&] { return simulator.state().at("queries").get<int>(); };
  const auto began = Clock::now();
  const auto first = generate(shell);
  const auto took = Clock::now() - began;
  const auto id = simulator.state().at("tasks").at(0).at("id").get<std::string>();
  expect_no_video(first, id);
  EXPECT_GE(took, std::chrono::seconds(60));
  EXPECT_LT(took, std::chrono::seconds(80));
  const auto asked = queries();
  EXPECT_LE(asked, 20) << "each 5 s";
  EXPECT_EQ(shell.recorded("completed"), 1) << "history does not say `accepted` for ever";
  const auto recorded = [&] {
    return last_event(shell.veo({"history", "--json"}).output, "record");
  };
  const auto row = recorded();
  EXPECT_EQ(row.at("status"), "completed");
  EXPECT_EQ(row.at("error").at("code"), "task-failed");
  EXPECT_THAT(row.at("error").at("message").get<std::string>(), HasSubstr("no video"));

  // A later run says so again at once, after one query.
  expect_no_video(generate(shell), id);
  EXPECT_EQ(queries(), asked + 1);
  EXPECT_THAT(shell.files(), IsEmpty());

  // So does a run while the service is down.
  simulator.set_faults({"query:error=internal_error"});
  expect_no_video(generate(shell), id);

  // The video has appeared after all.
  simulator.set_faults({});
  const auto last = generate(shell);
  EXPECT_EQ(last.exit_code, 0) << last;
  EXPECT_GT(shell.contents("dog.mp4").size(), 1000U);
  EXPECT_EQ(recorded().at("error"), nullptr);
  EXPECT_EQ(simulator.state().at("submissions"), 1);
}

TEST_F(WithoutVideo, ThatComesWithinAMinuteIsPlayed) {
  const auto simulator = start_simulator("0s", {"--fault", "query:no-urls*2"});
  const Shell shell(simulator);
  const auto ended = shell.veo({"generate", "a dog", "-o", "dog.mp4"});
  EXPECT_EQ(ended.exit_code, 0) << ended;
  EXPECT_GT(shell.contents("dog.mp4").size(), 1000U);
  EXPECT_EQ(simulator.state().at("submissions"), 1);
}

}  // namespace
}  // namespace veo::test
