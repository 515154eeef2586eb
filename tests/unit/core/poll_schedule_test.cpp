// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/poll_schedule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

namespace veo {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

TEST(PollDelay, AFixedIntervalIsKept) {
  EXPECT_EQ(compute_poll_delay(0ms, 20ms), 20ms);
  EXPECT_EQ(compute_poll_delay(1h, 20ms), 20ms);
  const std::vector<milliseconds> known(10, 60s);
  EXPECT_EQ(compute_poll_delay(1h, 20ms, GenerationTimes::learn(known)), 20ms);
}

TEST(PollDelay, AdaptiveStaysInProportionToTheWait) {
  EXPECT_EQ(compute_poll_delay(0ms, 0ms), 1s);
  EXPECT_EQ(compute_poll_delay(10s, 0ms), 1s);
  EXPECT_EQ(compute_poll_delay(50s, 0ms), 5s);
  EXPECT_EQ(compute_poll_delay(1h, 0ms), 10s);
}

TEST(GenerationTimes, AFewAreNotEnough) {
  const std::vector<milliseconds> known(4, 60s);
  EXPECT_FALSE(GenerationTimes::learn(known));
  EXPECT_FALSE(GenerationTimes::learn({}));
}

// Before any time is known, the catalog's estimate decides. The first polls come early, because the
// estimate may be wrong; later polls are dense around the estimate. A few known times count more
// than the estimate.
TEST(GenerationTimes, BeginFromWhatTheCatalogExpects) {
  const auto guess = GenerationTimes::learn({}, 100s);
  ASSERT_TRUE(guess);
  EXPECT_EQ(guess->compute_delay(0s), 1s);
  EXPECT_EQ(guess->compute_delay(3s), 1s);
  EXPECT_EQ(guess->compute_delay(9s), 3s);
  EXPECT_GT(guess->compute_delay(30s), guess->compute_delay(100s)) << "few end so soon";
  const std::vector<milliseconds> two(2, 20s);
  EXPECT_LT(GenerationTimes::learn(two, 100s)->compute_delay(40s), guess->compute_delay(40s));
  const std::vector<milliseconds> known(5, 60s);
  EXPECT_EQ(GenerationTimes::learn(known, 1h)->compute_delay(50s),
            GenerationTimes::learn(known)->compute_delay(50s))
      << "enough is known";
}

// A right estimate costs fewer polls and detects the end sooner than no estimate. An estimate that
// is wrong by a factor of three is never worse than a fixed interval of 10 s.
TEST(GenerationTimes, AGuessIsWorthItsPolls) {
  for (const double median : {25.0, 75.0, 225.0}) {
    std::mt19937 random(1);
    std::lognormal_distribution<double> draw(std::log(median), 0.3);
    const auto guess = GenerationTimes::learn({}, 75s);
    double guessed = 0;
    double guessed_polls = 0;
    double in_proportion = 0;
    double proportion_polls = 0;
    double fixed = 0;
    constexpr int tasks = 5'000;
    for (int i = 0; i < tasks; ++i) {
      const auto end = milliseconds(std::llround(draw(random) * 1000));
      const auto run = [&](double& delay, double& polls, milliseconds interval, const auto& known) {
        milliseconds at = 0ms;
        for (; at < end; polls += 1.0 / tasks) at += compute_poll_delay(at, interval, known);
        delay += std::chrono::duration<double>(at - end).count() / tasks;
      };
      double uncounted = 0;
      run(guessed, guessed_polls, 0s, guess);
      run(in_proportion, proportion_polls, 0s, std::optional<GenerationTimes>());
      run(fixed, uncounted, 10s, guess);
    }
    std::printf(
        "  median %.0f s, 75 s guessed: delay %.2f s with %.1f polls; a tenth of the wait: "
        "%.2f s with %.1f; every 10 s: %.2f s\n",
        median, guessed, guessed_polls, in_proportion, proportion_polls, fixed);
    EXPECT_LT(guessed_polls, proportion_polls);
    EXPECT_LT(guessed, 1.25 * fixed);
  }
}

// With the progress of a task its end is detected sooner, for a tenth more polls.
TEST(GenerationTimes, ProgressOfATaskTellsOfItsEnd) {
  std::mt19937 random(1);
  std::lognormal_distribution<double> draw(std::log(60.0), 0.4);
  std::normal_distribution<double> error(0, 5);
  const auto time = [&] { return milliseconds(std::llround(draw(random) * 1000)); };
  std::vector<milliseconds> known(50);
  for (auto& one : known) one = time();
  const auto times = GenerationTimes::learn(known);
  double silent = 0;
  double silent_polls = 0;
  double told = 0;
  double told_polls = 0;
  constexpr int tasks = 2'000;
  for (int i = 0; i < tasks; ++i) {
    const auto end = time();
    const auto run = [&](double& delay, double& polls, bool tells) {
      milliseconds at = 0ms;
      std::optional<int> percent;
      for (; at < end; polls += 1.0 / tasks) {
        at += compute_poll_delay(at, 0ms, times, percent);
        const auto done =
            100.0 * static_cast<double>(at.count()) / static_cast<double>(end.count());
        if (tells) percent = static_cast<int>(std::clamp(done + error(random), 0.0, 100.0));
      }
      delay += std::chrono::duration<double>(at - end).count() / tasks;
    };
    run(silent, silent_polls, false);
    run(told, told_polls, true);
  }
  std::printf("  with progress: delay %.2f s with %.2f polls, without %.2f s with %.2f\n", told,
              told_polls, silent, silent_polls);
  EXPECT_LT(told, 0.85 * silent);
  EXPECT_LE(told_polls, 1.15 * silent_polls);
}

// The progress may never change, or mean something else. The next poll still comes in time.
TEST(GenerationTimes, AWrongProgressDoesNotStopThePolls) {
  const std::vector<milliseconds> known(50, 60s);
  const auto times = GenerationTimes::learn(known);
  for (const int percent : {0, 1, 4, 100}) {
    EXPECT_EQ(compute_poll_delay(50s, 0ms, times, percent), times->compute_delay(50s)) << percent;
  }
  for (const milliseconds elapsed : {0ms, 1000ms, 60'000ms, 3'600'000ms, 604'800'000ms}) {
    for (const int percent : {5, 50, 99}) {
      EXPECT_GE(compute_poll_delay(elapsed, 0ms, times, percent), 1s);
      EXPECT_LE(compute_poll_delay(elapsed, 0ms, times, percent), 60s);
    }
  }
}

// The first poll comes late, and the polls are dense where most tasks end.
TEST(GenerationTimes, PollsLieWhereCompletionIsLikely) {
  const std::vector<milliseconds> known(50, 60s);
  const auto times = GenerationTimes::learn(known);
  ASSERT_TRUE(times);
  EXPECT_GT(times->compute_delay(0s), 20s);
  EXPECT_LT(times->compute_delay(60s), 3s);
  EXPECT_GE(times->compute_delay(60s), 1s);
}

// With any learned times, and after any elapsed time, the next poll comes within a minute.
TEST(GenerationTimes, ThereIsAlwaysANextPoll) {
  for (const milliseconds known : {0ms, 1ms, 1000ms, 86'400'000ms}) {
    const auto times = GenerationTimes::learn(std::vector<milliseconds>(5, known));
    ASSERT_TRUE(times);
    for (const milliseconds elapsed : {0ms, 1ms, 60'000ms, 3'600'000ms, 604'800'000ms}) {
      EXPECT_GE(times->compute_delay(elapsed), 1s);
      EXPECT_LE(times->compute_delay(elapsed), 60s) << "whatever was learned";
    }
  }
}

struct Cost {
  double delay = 0;  ///< the mean, in seconds
  double polls = 0;  ///< the mean
};

struct Spread {
  double sigma;
  double most;  ///< the largest delay, as a part of the delay with a fixed interval
};
void PrintTo(const Spread& spread, std::ostream* out) { *out << "sigma " << spread.sigma; }

class Simulation : public testing::TestWithParam<Spread> {};

// Five rounds of 20,000 random tasks each, after 50 known times. The budget is one poll every 10 s.
TEST_P(Simulation, ItSeesCompletionSoonerForNoMorePolls) {
  Cost fixed;
  Cost learned;
  constexpr int rounds = 5;
  constexpr int tasks = 20'000;
  for (unsigned seed = 1; seed <= rounds; ++seed) {
    std::mt19937 random(seed);
    std::lognormal_distribution<double> draw(std::log(60.0), GetParam().sigma);
    const auto time = [&] { return milliseconds(std::llround(draw(random) * 1000)); };
    std::vector<milliseconds> known(50);
    for (auto& one : known) one = time();
    const auto times = GenerationTimes::learn(known);
    for (int i = 0; i < tasks; ++i) {
      const auto end = time();
      const auto run = [&](Cost& cost, milliseconds interval) {
        milliseconds at = 0ms;
        do {
          at += compute_poll_delay(at, interval, times);
          cost.polls += 1.0 / (rounds * tasks);
        } while (at < end);
        cost.delay += std::chrono::duration<double>(at - end).count() / (rounds * tasks);
      };
      run(fixed, 10s);
      run(learned, 0s);
    }
  }
  std::printf("  sigma %.1f: delay %.2f s against %.2f s, ratio %.3f; polls %.2f against %.2f\n",
              GetParam().sigma, learned.delay, fixed.delay, learned.delay / fixed.delay,
              learned.polls, fixed.polls);
  EXPECT_LE(learned.delay, GetParam().most * fixed.delay);
  EXPECT_LE(learned.polls, fixed.polls);
}
INSTANTIATE_TEST_SUITE_P(Spreads, Simulation,
                         testing::Values(Spread{0.3, 0.52}, Spread{0.4, 0.67}, Spread{0.8, 1.0}));

}  // namespace
}  // namespace veo
