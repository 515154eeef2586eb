// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Many processes use one ledger at the same time. The simulator counts the charges.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "command.h"
#include "run.h"

namespace veo::test {
namespace {

struct Count {
  int good = 0;
  int charges = 0;
  int submissions = 0;
};

/// Runs `count` processes at the same time, beginning with an empty ledger.
Count run(const Simulator& simulator, int count, const std::function<std::string(int)>& prompt) {
  const TemporaryDirectory home;
  const auto before = simulator.state();
  std::vector<std::unique_ptr<RunProcess>> processes;
  for (int i = 0; i < count; ++i) {
    processes.push_back(std::make_unique<RunProcess>(
        std::vector<std::string>{"prompt=" + prompt(i), "layout=original", "poll-interval=50",
                                 "api-url=" + simulator.api_url(), "api-key=" + simulator.key(),
                                 "ledger=" + home.file("state/ledger.db"),
                                 "cache-dir=" + home.file("cache")},
        ""));
  }
  Count counted;
  for (auto& process : processes) {
    counted.good += process->wait().played(small_clip().sha256) ? 1 : 0;
  }
  const auto after = simulator.state();
  counted.charges = after.at("charges").get<int>() - before.at("charges").get<int>();
  counted.submissions = after.at("submissions").get<int>() - before.at("submissions").get<int>();
  return counted;
}

unsigned rounds() { return std::max(3U, repeats()); }

TEST(Processes, ThirtyTwoAgainstABudgetForTenPayTen) {
  const auto simulator = start_simulator();
  ::setenv("VEO_DAILY_BUDGET", "400", 1);
  for (unsigned round = 0; round < rounds(); ++round) {
    const auto counted = run(
        simulator, 32, [round](int i) { return std::to_string(round) + "-" + std::to_string(i); });
    EXPECT_EQ(counted.charges, 10) << "round " << round;
    EXPECT_EQ(counted.submissions, 10) << "round " << round;
    EXPECT_EQ(counted.good, 10) << "round " << round;
  }
  ::unsetenv("VEO_DAILY_BUDGET");
  std::printf("  %u times 32 processes, a budget for 10: 10 charges each\n", rounds());
}

TEST(Processes, SixteenWithOneIntentPayOnce) {
  for (unsigned round = 0; round < rounds(); ++round) {
    // The answer comes late, so the other processes ask the ledger while no task id is known.
    auto simulator = start_simulator();
    simulator.set_faults({"submit:delay=200ms"});
    const auto counted = run(simulator, 16, [](int) { return "x"; });
    EXPECT_EQ(counted.charges, 1) << "round " << round;
    EXPECT_EQ(counted.submissions, 1) << "round " << round;
    EXPECT_EQ(counted.good, 16) << "round " << round;
  }
  std::printf("  %u times 16 processes with one intent: 1 charge each\n", rounds());
}

}  // namespace
}  // namespace veo::test
