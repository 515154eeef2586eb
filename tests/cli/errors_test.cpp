// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Checks of each error: the exit code, one message with a next step, no incomplete file, and the
// charges.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>
#include <fstream>
#include <thread>

#include "sha256.h"
#include "shell.h"

namespace veo::test {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

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
      {{"generate", "-"}, "\"$(cat prompt.txt)\""},
      {{"generate", "  "}, "variable of your shell"},
      {{"generate", "!"}, "variable of your shell"},
      {{"extend", "task", "...", "--clip-only"}, "white space and punctuation"},
      {{"history", "--limit=0"}, "1 or more"},
      {{"history", "--since=tomorrow"}, "--since: \"tomorrow\" is no time. Give a date"},
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
      {{"extend", "a\ttask", "a dog", "--clip-only"}, "task"},
      {{"extend", "task"}, "rompt"},
      {{"extend", "", "a dog"}, "0 bytes"},
      {{"status", "a\ttask"}, "task id"},
      {{"download", "a\nb"}, "task id"},
      {{"wait"}, "task"},
      {{"generate", "a dog", "-o"}, "output"},
      {{"generate", "a dog", "a cat"}, "a cat"},
      {{"generate", "a dog", "--timeout=0"}, "timeout"},
      {{"generate", "a dog", "--retries=-2"}, "retries"},
      {{"generate", "a dog", "--max-credits=-1"}, "max-credits"},
      {{"generate", "a dog", "--layout=moov"}, "streamable|original"},
      {{"generate", "a dog", "--on-unknown=hope"}, "fail|resubmit"},
      {{"generate", "a dog", "--image-urls=file:///etc/passwd"}, "image_urls"},
      {{"generate", "a \xFF dog"}, "UTF-8"},
      {{"generate", "a dog", "--ssl-ca-file=missing.pem"}, "missing.pem", 9},
      {{"generate", "a dog", "--allow-addresses=10.0.0.1/8"}, "10.0.0.0/8"},
      {{"generate", "a dog", "--allow-http=http://simulator"}, "simulator,build.example:8080"},
      {{"generate", "a dog", "--proxy=ftp://proxy.example"}, "socks5h"},
      {{"join", "missing.mp4", "-o", "film.mp4"}, "missing.mp4"},
      {{"join", "/dev/null", "-o", "film.mp4"}, "/dev/null"},
      {{"play", "a\ttask", "--player=cat"}, "task id"},
      {{"credits", "more"}, "more"},
      {{"price", "--mode=free"}, "fast|quality|lite"},
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

// curl reads the file of @FILE. For veo it would be a prompt that is paid.
TEST(BadInput, APromptThatNamesAFileIsRefused) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  std::ofstream(shell.file("my prompt.txt")) << "a dog";
  for (const auto& args :
       std::vector<std::vector<std::string>>{{"generate", "@my prompt.txt"},
                                             {"generate", "--prompt=@my prompt.txt"},
                                             {"extend", "task", "@my prompt.txt", "--clip-only"}}) {
    const auto ended = shell.veo(args);
    EXPECT_EQ(ended.exit_code, 2) << ended;
    EXPECT_THAT(ended.errors, HasSubstr("\"$(cat 'my prompt.txt')\". Nothing was sent"));
  }
  EXPECT_EQ(simulator.state().at("connections").at("api").at("total"), 0);
  // A name of no file is a prompt.
  EXPECT_EQ(shell.veo({"generate", "@nobody", "-o", "nobody.mp4"}).exit_code, 0);
}

// Each failed submission says in its text whether it cost anything.
struct Costless {
  std::vector<std::string> simulator;
  std::vector<std::string> args;
  const char* says;
};

TEST(FailedSubmission, SaysThatNothingIsPaid) {
  constexpr const char* refused = "The submission was refused, and nothing is paid.";
  constexpr const char* unsent = "Nothing was sent, and nothing is paid.";
  const std::vector<Costless> cases{
      {{"--credits", "1"}, {}, refused},
      {{"--key", "sk-other"}, {}, refused},
      {{}, {"--api-url=http://127.0.0.1:1/v1", "--api-key=sk-1", "--retries=0"}, unsent},
      {{}, {"--api-url=https://no-such-host.invalid/v1", "--api-key=sk-1", "--retries=0"}, unsent},
      {{}, {"--api-key-file=missing"}, unsent},
      {{}, {"--seed=5"}, unsent},
      {{}, {"-o", "nowhere/dog.mp4"}, unsent},
  };
  for (const auto& given : cases) {
    const auto simulator = start_simulator("0s", given.simulator);
    const Shell shell(simulator);
    std::vector<std::string> args{"generate", "a dog"};
    args.insert(args.end(), given.args.begin(), given.args.end());
    const bool is_other_key = !given.simulator.empty() && given.simulator[0] == "--key";
    if (is_other_key) args.emplace_back("--api-key=sk-wrong");
    const auto ended = shell.veo(args);
    EXPECT_NE(ended.exit_code, 0) << ended;
    EXPECT_THAT(ended.errors, HasSubstr(given.says));
    args.emplace_back("--json");
    EXPECT_EQ(last_event(shell.veo(args).output, "error").at("charged"), "no");
    EXPECT_EQ(simulator.state().at("charges"), 0);
  }
}

TEST(Key, OfAnotherServiceIsNotSent) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  auto settings = shell.settings({"generate", "a dog", "--api-key=AIzaSyA-of-google",
                                  "--api-url=https://api.aivideoapi.ai/v1",
                                  // A library that is broken must not reach the service.
                                  "--proxy=http://127.0.0.1:1"});
  const auto ended = Program(settings).wait();
  EXPECT_EQ(ended.exit_code, 3) << ended;
  EXPECT_THAT(ended.errors, HasSubstr("no key of the provider at api.aivideoapi.ai"));
  EXPECT_THAT(ended.errors, HasSubstr("Nothing was sent, and nothing is paid."));
}

TEST(Provider, IsNamedWhereUsersLook) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  EXPECT_THAT(shell.veo({"--help"}).output, HasSubstr("api.aivideoapi.ai"));
  EXPECT_THAT(shell.veo({"price"}).output, HasSubstr("api.aivideoapi.ai"));
  EXPECT_THAT(shell.veo({"price", "--mode=fast"}).output, testing::Not(HasSubstr("aivideoapi")));
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
      {"submit:html", 8, "submit-unknown", "unknown"},
      {"submit:no-task-id", 8, "submit-unknown", "unknown"},
      {"submit:reset", 8, "submit-unknown", "unknown"},
      {"query:error=invalid_request", 2, "invalid-request", "unknown"},
      {"query:error=invalid_api_key", 3, "invalid-api-key", "unknown"},
      {"query:error=ip_not_allowed", 3, "ip-not-allowed", "unknown"},
      // A paid task is polled until generation-timeout, whatever --retries says.
      {"query:error=rate_limit_exceeded", 6, "timeout", "unknown"},
      {"query:html", 6, "timeout", "unknown"},
      {"query:unknown-status", 6, "timeout", "unknown"},
      {"query:error=internal_error", 6, "timeout", "unknown"},
      {"file:not-mp4", 9, "bad-media", "unknown"},
      {"file:status=404", 9, "network", "unknown"},
      {"file:truncate=1000", 9, "network", "unknown"},
      {"file:reset=1000", 9, "network", "unknown"},
      {"file:redirect-loop", 9, "bad-response", "unknown"},
      {"file:stall=1000", 6, "timeout", "unknown"},
  };
  for (const auto& refusal : refusals) {
    SCOPED_TRACE(refusal.fault);
    const auto simulator = start_simulator("0s", {"--fault", refusal.fault});
    const Shell shell(simulator);
    const auto ended = shell.veo({"generate", "a dog", "-o", "dog.mp4", "--retries=0",
                                  "--timeout=1", "--generation-timeout=4", "--json"});
    EXPECT_EQ(ended.exit_code, refusal.exit_code) << ended;
    const auto error = last_event(ended.output, "error");
    ASSERT_TRUE(error.is_object()) << ended;
    EXPECT_EQ(error.at("code"), refusal.code);
    EXPECT_EQ(error.at("charged"), refusal.charged);
    EXPECT_EQ(error.at("exit-code"), refusal.exit_code);
    EXPECT_THAT(shell.files(), IsEmpty());
    // If a task is or may be paid, the error tells how to get its clip.
    const bool is_safe = error.at("charged") == "unknown";
    EXPECT_EQ(error.contains("next"), is_safe) << ended;
    if (is_safe) {
      const auto id = simulator.state().at("tasks").empty()
                          ? "--task-id="
                          : simulator.state().at("tasks").at(0).at("id").get<std::string>();
      EXPECT_THAT(error.at("next").get<std::string>(),
                  AnyOf(HasSubstr("--task-id="), HasSubstr("veo download " + id)));
    }
  }
}

TEST(ServiceError, OfAQuestionHasItsExitCodeToo) {
  struct Question {
    std::vector<std::string> args;
    const char* fault;
    int exit_code;
  };
  const std::vector<Question> questions{
      {{"credits"}, "credits:error=invalid_api_key", 3},
      {{"credits"}, "credits:error=ip_not_allowed", 3},
      {{"credits"}, "credits:error=rate_limit_exceeded", 6},
      {{"credits"}, "credits:error=internal_error", 9},
      {{"status", "a-task"}, "query:error=invalid_api_key", 3},
      {{"status", "a-task"}, "query:error=task_not_found", 5},
      {{"status", "a-task"}, "query:error=rate_limit_exceeded", 6},
      {{"wait", "a-task"}, "query:error=invalid_api_key", 3},
      {{"download", "a-task"}, "query:error=ip_not_allowed", 3},
      {{"extend", "a-task", "it sleeps"}, "query:error=task_not_found", 5},
  };
  auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  for (const auto& question : questions) {
    SCOPED_TRACE(question.fault);
    simulator.set_faults({question.fault});
    auto args = question.args;
    if (args[0] == "wait" || args[0] == "download") args.emplace_back("--retries=0");
    const auto ended = shell.veo(args);
    EXPECT_EQ(ended.exit_code, question.exit_code) << ended;
    EXPECT_THAT(ended.output, IsEmpty());
    EXPECT_THAT(ended.errors, StartsWith("veo: "));
    EXPECT_THAT(shell.files(), IsEmpty());
  }
  simulator.set_faults({});
  EXPECT_EQ(simulator.state().at("submissions"), 0);
}

// The time is long enough for a disk that stalls for seconds. If the ledger cannot take the task's
// id in that time, the error is another one.
TEST(ServiceError, IsATimeoutForATaskThatTakesTooLong) {
  const auto simulator = start_simulator("60s");
  const Shell shell(simulator);
  const auto ended =
      shell.veo({"generate", "a dog", "-o", "dog.mp4", "--generation-timeout=5", "--json"});
  EXPECT_EQ(ended.exit_code, 6) << ended;
  const auto error = last_event(ended.output, "error");
  EXPECT_EQ(error.at("code"), "timeout");
  EXPECT_EQ(error.at("task-id"), simulator.state().at("tasks").at(0).at("id"));
  EXPECT_THAT(shell.files(), IsEmpty());
}

TEST(ServiceError, IsTaskNotFoundForAnUnknownTask) {
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
  // The user finds the task in the dashboard and names it once. After that the same line without
  // `--task-id` finds the task.
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

TEST(Interrupted, AtEachPhaseSaysHowToGoOnAndLeavesNoFile) {
  struct Phase {
    const char* fault;
    const char* generation_time;
    const char* shown;
  };
  for (const auto& phase :
       {Phase{"", "60s", "Generating"}, Phase{"file:stall=10000", "0s", "Downloading"}}) {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
      SCOPED_TRACE(std::string(phase.shown) + ", " + ::strsignal(signal));
      const auto simulator = *phase.fault == '\0'
                                 ? start_simulator(phase.generation_time)
                                 : start_simulator(phase.generation_time, {"--fault", phase.fault});
      const Shell shell(simulator);
      Program running(shell.settings({"generate", "a dog", "-o", "dog.mp4"}));
      ASSERT_TRUE(running.wait_for(phase.shown));
      running.kill(signal);
      const auto ended = running.wait();
      EXPECT_EQ(ended.exit_code, 130) << ended;
      const auto id = simulator.state().at("tasks").at(0).at("id").get<std::string>();
      EXPECT_THAT(ended.errors, HasSubstr("Interrupted."));
      EXPECT_THAT(ended.errors, HasSubstr("veo download " + id));
      EXPECT_THAT(shell.files(), IsEmpty());
    }
  }
}

/// An address where no connection is ever established, because the queue of connections that wait
/// to be accepted is full.
class FullQueue {
 public:
  FullQueue() {
    sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    auto* const place = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof address;
    for (auto& socket : sockets_) socket = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    EXPECT_EQ(::bind(sockets_[0], place, size), 0);
    EXPECT_EQ(::listen(sockets_[0], 0), 0);
    ::getsockname(sockets_[0], place, &size);
    for (std::size_t i = 1; i < sockets_.size(); ++i) ::connect(sockets_[i], place, size);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/v1";
  }
  ~FullQueue() {
    for (const int socket : sockets_) ::close(socket);
  }
  FullQueue(const FullQueue&) = delete;
  FullQueue& operator=(const FullQueue&) = delete;

  [[nodiscard]] const std::string& url() const { return url_; }

 private:
  std::array<int, 4> sockets_{};
  std::string url_;
};

// The ledger says `sending`, but no byte has left. The command must release the row before it ends.
TEST(Interrupted, BeforeTheSubmissionLeftIsNotUnknown) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  const FullQueue nowhere;
  for (int i = 1; i <= 5; ++i) {
    auto settings = shell.settings({"generate", "a dog", "-o", "dog.mp4"});
    settings.env["VEO_API_URL"] = nowhere.url();
    Program running(settings);
    while (shell.recorded("sending") != 1) std::this_thread::yield();
    running.kill(SIGTERM);
    const auto stopped = running.wait();
    EXPECT_EQ(stopped.exit_code, 130) << stopped;
    ASSERT_EQ(shell.recorded("released"), i);
    ASSERT_EQ(shell.recorded("sending"), 0);
  }
}

TEST(Interrupted, AQuestionEndsAtOnce) {
  auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  struct Question {
    std::vector<std::string> args;
    const char* fault;
    const char* counted;
  };
  for (const auto& question : {Question{{"credits"}, "credits:stall", "credit_queries"},
                               Question{{"status", "a-task"}, "query:stall", "queries"}}) {
    simulator.set_faults({question.fault});
    Program running(shell.settings(question.args));
    while (simulator.state().at(question.counted) == 0) {
    }
    running.kill(SIGINT);
    const auto ended = running.wait();
    EXPECT_EQ(ended.exit_code, 130) << ended;
    EXPECT_THAT(ended.errors, HasSubstr("Interrupted."));
    EXPECT_THAT(ended.output, IsEmpty());
  }
}

TEST(StandardOutput, ThatIsFullIsAnError) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  ASSERT_EQ(shell.veo({"generate", "a dog", "-o", "dog.mp4"}).exit_code, 0);
  for (const auto* const line :
       {"credits", "credits --json", "price", "history", "history --json", "history --html",
        "--help", "generate 'a dog' -o dog.mp4 --json"}) {
    const auto full = shell.sh("veo " + std::string(line) + " >/dev/full");
    EXPECT_EQ(full.exit_code, 9) << line << "\n" << full;
    EXPECT_THAT(full.errors, HasSubstr("Cannot write to standard output: No space left on device"));
  }
}

TEST(StandardOutput, ThatIsClosedIsNotReplacedByAnotherFile) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  const auto piped = shell.sh("veo generate 'a dog' -o - >&-");
  EXPECT_EQ(piped.exit_code, 9) << piped;
  EXPECT_THAT(piped.errors, HasSubstr("standard output"));
  EXPECT_EQ(simulator.state().at("submissions"), 0);
  // With all three standard streams closed, the messages must not end up in one of our files.
  const auto closed = shell.sh("veo generate 'a dog' -o dog.mp4 --json <&- >&- 2>&-");
  EXPECT_EQ(closed.exit_code, 9) << closed;
  EXPECT_EQ(simulator.state().at("tasks").at(0).at("sha256"), sha256(shell.contents("dog.mp4")));
  EXPECT_EQ(shell.sh("veo history >&-").exit_code, 9);
  const auto records = json_lines(shell.veo({"history", "--json"}).output);
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].at("status"), "completed");
}

TEST(StandardOutput, WhoseReaderHasLeftEndsQuietly) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  for (const auto* const line : {"price", "credits", "generate 'a dog' -q -o dog.mp4 --json"}) {
    const auto left =
        shell.sh("mkfifo fifo; sleep 60 <>fifo & exec 3>fifo; kill $!; wait $! 2>/dev/null; veo " +
                 std::string(line) + " >&3; code=$?; rm fifo; exit $code");
    EXPECT_EQ(left.exit_code, 0) << line << "\n" << left;
    EXPECT_THAT(left.errors, IsEmpty());
  }
  EXPECT_EQ(simulator.state().at("tasks").at(0).at("sha256"), sha256(shell.contents("dog.mp4")));
}

TEST(FullDisk, IsAnErrorThatKeepsThePaidClip) {
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
  // 20 kB are too few for the clip, in the file and in the cache.
  const auto ended = shell.sh("ulimit -f 20; veo generate 'a dog' -o dog.mp4");
  EXPECT_EQ(ended.exit_code, 9) << ended;
  EXPECT_EQ(shell.contents("dog.mp4"), "an older dog");
  EXPECT_EQ(shell.files().size(), 1U);
}

TEST(FullDisk, WithoutSpaceForTheLedgerSendsNothing) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  // The limit applies to files only, so the messages go into a pipe.
  const auto ended =
      shell.sh("set -o pipefail; (ulimit -f 0; veo generate 'a dog' -o dog.mp4) 2>&1 | cat");
  EXPECT_EQ(ended.exit_code, 9) << ended;
  EXPECT_THAT(ended.output, StartsWith("veo: "));
  EXPECT_EQ(simulator.state().at("submissions"), 0);
  EXPECT_THAT(shell.files(), IsEmpty());
}

TEST(Unwritable, RecordOrCacheSendsNothing) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  for (const auto* const variable : {"VEO_LEDGER", "VEO_CACHE_DIR"}) {
    auto settings = shell.settings({"generate", "a dog", "-o", "dog.mp4"});
    settings.env[variable] = "/proc/nowhere/x";
    const auto ended = Program(settings).wait();
    EXPECT_EQ(ended.exit_code, 9) << ended;
    EXPECT_THAT(ended.errors, HasSubstr("/proc/nowhere"));
  }
  EXPECT_EQ(simulator.state().at("submissions"), 0);
  EXPECT_THAT(shell.files(), IsEmpty());
}

}  // namespace
}  // namespace veo::test
