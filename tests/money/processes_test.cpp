// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Many processes at once, on one ledger: by the simulator's count of charges.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "command.h"
#include "simulator.h"

extern char** environ;

namespace veo::test {
namespace {

int repeat(int in_each_run) {
  const char* const text = std::getenv("VEO_TEST_REPEAT");
  return text != nullptr ? std::atoi(text) : in_each_run;
}

/// gst-launch-1.0 with one veosrc, begun and waited for.
class Line {
 public:
  Line(const Simulator& simulator, const std::string& home,
       const std::vector<std::string>& properties) {
    std::vector<std::string> words = {"gst-launch-1.0",
                                      "-q",
                                      "veosrc",
                                      "api-url=" + simulator.api_url(),
                                      "api-key=" + simulator.key(),
                                      "ledger=" + home + "/state/ledger.db",
                                      "cache-dir=" + home + "/cache",
                                      "poll-interval=50"};
    words.insert(words.end(), properties.begin(), properties.end());
    words.insert(words.end(), {"!", "fakesink", "sync=false"});
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    // What the losers say is expected, and would be read as this test's own.
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    EXPECT_EQ(::posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
  }
  Line(Line&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}

  /// Whether it ended well.
  bool wait() {
    int status = -1;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }

 private:
  pid_t pid_ = -1;
};

struct Count {
  int good = 0;
  int charges = 0;
  int submissions = 0;
};

/// `count` processes at once, on an empty ledger.
Count run(const Simulator& simulator, int count,
          const std::function<std::vector<std::string>(int)>& properties) {
  const TemporaryDirectory home;
  const auto before = simulator.state();
  std::vector<Line> lines;
  lines.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) lines.emplace_back(simulator, home.path(), properties(i));
  Count counted;
  for (auto& line : lines) counted.good += line.wait() ? 1 : 0;
  const auto after = simulator.state();
  counted.charges = after.at("charges").get<int>() - before.at("charges").get<int>();
  counted.submissions = after.at("submissions").get<int>() - before.at("submissions").get<int>();
  return counted;
}

/// A clip that is made once, and served for each task.
class Processes : public testing::Test {
 protected:
  Processes() : clip_(home_.file("clip.mp4")) {
    const auto maker = Simulator::start({"--generation-time", "0s", "--frames", "24"});
    run(maker, 1, [&](int) { return std::vector<std::string>{"prompt=x", "layout=original"}; });
    const std::string url = maker.state().at("tasks").at(0).at("output").at("urls").at(0);
    output_of("curl -sS -o " + clip_ + " " + url);
  }

  Simulator start() { return Simulator::start({"--generation-time", "0s", "--clip", clip_}); }

  const TemporaryDirectory home_;
  const std::string clip_;
};

TEST_F(Processes, ThirtyTwoAgainstABudgetForTenPayTen) {
  const auto simulator = start();
  ::setenv("VEO_DAILY_BUDGET", "400", 1);
  const int rounds = repeat(3);
  for (int round = 0; round < rounds; ++round) {
    const auto counted = run(simulator, 32, [round](int i) {
      return std::vector<std::string>{"prompt=" + std::to_string(round) + "-" + std::to_string(i)};
    });
    EXPECT_EQ(counted.charges, 10) << "round " << round;
    EXPECT_EQ(counted.submissions, 10) << "round " << round;
    EXPECT_EQ(counted.good, 10) << "round " << round;
  }
  ::unsetenv("VEO_DAILY_BUDGET");
  std::printf("  %d times 32 processes, a budget for 10: 10 charges each\n", rounds);
}

TEST_F(Processes, SixteenWithOneIntentPayOnce) {
  const int rounds = repeat(3);
  for (int round = 0; round < rounds; ++round) {
    // An answer that takes its time: the others come while nobody knows of a task yet.
    auto simulator = start();
    simulator.set_faults({"submit:delay=200ms"});
    const auto counted =
        run(simulator, 16, [](int) { return std::vector<std::string>{"prompt=x"}; });
    EXPECT_EQ(counted.charges, 1) << "round " << round;
    EXPECT_EQ(counted.submissions, 1) << "round " << round;
    EXPECT_EQ(counted.good, 16) << "round " << round;
  }
  std::printf("  %d times 16 processes with one intent: 1 charge each\n", rounds);
}

}  // namespace
}  // namespace veo::test
