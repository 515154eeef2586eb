// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What goes wrong: the exit code, one message with a next step, no half file, and what was paid.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "shell.h"

namespace veo::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

struct BadLine {
  std::vector<std::string> args;
  const char* says;
  int exit_code = 2;
};

TEST(BadInput, IsRefusedBeforeAnythingIsSent) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  const std::vector<BadLine> lines{
      {{}, "subcommand"},
      {{"generate", "a dog", "--no-such-flag"}, "--no-such-flag"},
      {{"fly"}, "fly"},
      {{"generate", "a dog", "--mode=slow"}, "fast|quality|lite"},
      {{"generate", "a dog", "--seed=many"}, "seed"},
      {{"generate", "a dog", "--reuse=perhaps"}, "reuse"},
      {{"generate", "a dog", "--take=0"}, "take"},
      {{"generate", ""}, "prompt"},
      {{"generate", "a dog", "--seed=5"}, "seed"},
      {{"generate", "a dog", "--api-url=http://example.com/v1"}, "https"},
      {{"generate", "a dog", "-o", "."}, "directory"},
      {{"generate", "a dog", "-o", "nowhere/dog.mp4"}, "nowhere/dog.mp4", 9},
      {{"generate", "a dog", "-o", "/proc/version"}, "/proc/version", 9},
      {{"generate", "a dog", "--api-key-file=missing"}, "missing", 3},
      {{"generate", "a dog", "--max-credits=39"}, "39", 4},
      {{"extend", "../task", "a dog", "--clip-only"}, "task"},
      {{"extend", "task"}, "rompt"},
      {{"status", "../task"}, "task id"},
      {{"download", "a/b"}, "task id"},
      {{"wait"}, "task"},
  };
  for (const auto& line : lines) {
    const auto ended = shell.veo(line.args);
    EXPECT_EQ(ended.exit_code, line.exit_code) << ended;
    EXPECT_THAT(ended.errors, HasSubstr(line.says));
    EXPECT_THAT(ended.output, IsEmpty());
  }
  EXPECT_EQ(simulator.state().at("connections").at("api").at("total"), 0);
  EXPECT_THAT(shell.files(), IsEmpty());
}

TEST(BadInput, IsJsonForMachines) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  const auto ended = shell.veo({"generate", "a dog", "--bad", "--json"});
  EXPECT_EQ(ended.exit_code, 2) << ended;
  EXPECT_THAT(ended.errors, IsEmpty());
  const auto error = last_event(ended.output, "error");
  EXPECT_EQ(error.at("code"), "invalid-request");
  EXPECT_EQ(error.at("exit-code"), 2);
}

TEST(BadInput, NoKeySaysHowToTryWithout) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  auto settings = shell.settings({"generate", "a dog"});
  settings.env["VEO_API_KEY"] = "";
  const auto ended = Program(settings).wait();
  EXPECT_EQ(ended.exit_code, 3) << ended;
  EXPECT_THAT(ended.errors, HasSubstr("veo-simulator"));
}

struct Refusal {
  const char* fault;
  int exit_code;
  const char* code;
  const char* charged;
};

TEST(ServiceError, HasItsExitCode) {
  const std::vector<Refusal> refusals{
      {"submit:error=invalid_request", 2, "invalid-request", "no"},
      {"submit:error=model_not_found", 2, "model-not-found", "no"},
      {"submit:error=invalid_api_key", 3, "invalid-api-key", "no"},
      {"submit:error=ip_not_allowed", 3, "ip-not-allowed", "no"},
      {"submit:error=insufficient_credits", 4, "insufficient-credits", "no"},
      {"submit:error=spend_limit_exceeded", 4, "spend-limit-exceeded", "no"},
      {"submit:error=rate_limit_exceeded", 6, "rate-limit-exceeded", "no"},
      {"submit:error=upstream_error", 7, "upstream-error", "refunded"},
      {"submit:error=internal_error", 8, "submit-unknown", "unknown"},
      {"task:failed", 7, "task-failed", "refunded"},
      {"query:error=task_not_found", 5, "task-not-found", "unknown"},
      {"query:error=internal_error", 9, "internal-error", "unknown"},
      {"file:not-mp4", 9, "bad-media", "unknown"},
      {"file:status=404", 9, "network", "unknown"},
  };
  for (const auto& refusal : refusals) {
    SCOPED_TRACE(refusal.fault);
    // A task that is not found is looked for for a minute, since it may be too new.
    if (std::string(refusal.fault) == "query:error=task_not_found") continue;
    const auto simulator = start_simulator("0s", {"--fault", refusal.fault});
    const Shell shell(simulator);
    const auto ended = shell.veo({"generate", "a dog", "-o", "dog.mp4", "--retries=0", "--json"});
    EXPECT_EQ(ended.exit_code, refusal.exit_code) << ended;
    const auto error = last_event(ended.output, "error");
    ASSERT_TRUE(error.is_object()) << ended;
    EXPECT_EQ(error.at("code"), refusal.code);
    EXPECT_EQ(error.at("charged"), refusal.charged);
    EXPECT_EQ(error.at("exit-code"), refusal.exit_code);
    EXPECT_THAT(shell.files(), IsEmpty());
  }
}

TEST(ServiceError, OfATaskThatIsNotThere) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  const auto ended = shell.veo({"status", "no-such-task"});
  EXPECT_EQ(ended.exit_code, 5) << ended;
  EXPECT_EQ(shell.veo({"download", "no-such-task", "-o", "x.mp4"}).exit_code, 5);
  EXPECT_THAT(shell.files(), IsEmpty());
}

TEST(SubmitUnknown, IsNeverRepeatedByItself) {
  const auto simulator = start_simulator("0s", {"--fault", "submit:lost-answer*1"});
  const Shell shell(simulator);
  for (int i = 0; i < 3; ++i) {
    const auto ended = shell.veo({"generate", "a dog", "-o", "dog.mp4"});
    EXPECT_EQ(ended.exit_code, 8) << ended;
    EXPECT_THAT(ended.errors, HasSubstr("--on-unknown=resubmit"));
  }
  EXPECT_EQ(simulator.state().at("charges"), 1);
  // The dashboard shows the task: from then on the line alone finds it.
  const auto id = simulator.state().at("tasks").at(0).at("id").get<std::string>();
  EXPECT_EQ(shell.veo({"generate", "a dog", "-o", "dog.mp4", "--task-id=" + id}).exit_code, 0);
  EXPECT_EQ(shell.veo({"generate", "a dog", "-o", "dog.mp4"}).exit_code, 0);
  EXPECT_EQ(simulator.state().at("charges"), 1);
}

TEST(Interrupted, BeforeItsAnswerIsHereKeepsTheTask) {
  const auto simulator = start_simulator("0s", {"--fault", "submit:delay=500ms*1"});
  for (const int signal : {SIGINT, SIGTERM}) {
    const Shell shell(simulator);
    const auto before = simulator.state().at("charges").get<int>();
    const std::vector<std::string> line{"generate", "a dog", "-o", "dog.mp4"};
    Program running(shell.settings(line));
    while (simulator.state().at("submissions").get<int>() == before) {
    }
    running.kill(signal);
    const auto ended = running.wait();
    EXPECT_EQ(ended.exit_code, 130) << ended;
    EXPECT_THAT(shell.files(), IsEmpty());
    EXPECT_EQ(shell.veo(line).exit_code, 0);
    EXPECT_EQ(simulator.state().at("charges"), before + 1);
  }
}

TEST(Interrupted, InADownloadLeavesNoFile) {
  const auto simulator = start_simulator("0s", {"--fault", "file:stall=10000"});
  const Shell shell(simulator);
  Program running(shell.settings({"generate", "a dog", "-o", "dog.mp4"}));
  ASSERT_TRUE(running.wait_for("Downloading"));
  running.kill(SIGINT);
  const auto ended = running.wait();
  EXPECT_EQ(ended.exit_code, 130) << ended;
  EXPECT_THAT(shell.files(), IsEmpty());
}

TEST(FullDisk, IsToldAndKeepsThePaidClip) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  const auto ended = shell.veo({"generate", "a dog", "-o", "/dev/full", "--json"});
  EXPECT_EQ(ended.exit_code, 9) << ended;
  const auto error = last_event(ended.output, "error");
  EXPECT_EQ(error.at("code"), "cache");
  EXPECT_THAT(error.at("message").get<std::string>(), HasSubstr("/dev/full"));
  const auto id = simulator.state().at("tasks").at(0).at("id").get<std::string>();
  EXPECT_THAT(error.at("next").get<std::string>(), HasSubstr("veo download " + id));
  EXPECT_EQ(shell.veo({"generate", "a dog", "-o", "dog.mp4"}).exit_code, 0);
  EXPECT_EQ(simulator.state().at("charges"), 1);
}

TEST(FullDisk, LeavesTheFileThatWasThere) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  std::ofstream(shell.file("dog.mp4")) << "an older dog";
  // 20 kB are not enough for the clip; the cache is not asked to keep it either.
  const auto ended = shell.sh("trap '' XFSZ; ulimit -f 20; veo generate 'a dog' -o dog.mp4");
  EXPECT_EQ(ended.exit_code, 9) << ended;
  EXPECT_EQ(shell.contents("dog.mp4"), "an older dog");
  EXPECT_EQ(shell.files().size(), 1U);
}

}  // namespace
}  // namespace veo::test
