// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/poll_schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

namespace veo {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

TEST(PollDelay, AFixedIntervalIsKept) {
  EXPECT_EQ(poll_delay(0ms, 20ms), 20ms);
  EXPECT_EQ(poll_delay(1h, 20ms), 20ms);
  const std::vector<milliseconds> known(10, 60s);
  EXPECT_EQ(poll_delay(1h, 20ms, GenerationTimes::learn(known)), 20ms);
}

TEST(PollDelay, AdaptiveStaysInProportionToTheWait) {
  EXPECT_EQ(poll_delay(0ms, 0ms), 1s);
  EXPECT_EQ(poll_delay(10s, 0ms), 1s);
  EXPECT_EQ(poll_delay(50s, 0ms), 5s);
  EXPECT_EQ(poll_delay(1h, 0ms), 10s);
}

TEST(GenerationTimes, AFewAreNotEnough) {
  const std::vector<milliseconds> known(4, 60s);
  EXPECT_FALSE(GenerationTimes::learn(known));
  EXPECT_FALSE(GenerationTimes::learn({}));
}

// The first poll can wait, and the densest are where most tasks end.
TEST(GenerationTimes, PollsLieWhereCompletionIsLikely) {
  const std::vector<milliseconds> known(50, 60s);
  const auto times = GenerationTimes::learn(known);
  ASSERT_TRUE(times);
  EXPECT_GT(times->delay(0s), 20s);
  EXPECT_LT(times->delay(60s), 3s);
  EXPECT_GE(times->delay(60s), 1s);
}

// Whatever was learned, and however long it takes: there is a next poll.
TEST(GenerationTimes, ThereIsAlwaysANextPoll) {
  for (const milliseconds known : {0ms, 1ms, 1000ms, 86'400'000ms}) {
    const auto times = GenerationTimes::learn(std::vector<milliseconds>(5, known));
    ASSERT_TRUE(times);
    for (const milliseconds elapsed : {0ms, 1ms, 60'000ms, 3'600'000ms, 604'800'000ms}) {
      EXPECT_GE(times->delay(elapsed), 1s);
      EXPECT_LE(times->delay(elapsed), 60s) << "whatever was learned";
    }
  }
}

struct Cost {
  double delay = 0;  // seconds, mean
  double polls = 0;  // mean
};

struct Spread {
  double sigma;
  double most;  ///< of a fixed interval's delay
};
void PrintTo(const Spread& spread, std::ostream* out) { *out << "sigma " << spread.sigma; }

class Simulation : public testing::TestWithParam<Spread> {};

// At no more polls than every 10 s: 20,000 tasks drawn after 50 known ones, five times.
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
          at += poll_delay(at, interval, times);
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
