// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/rate_limit.h"

#include <gtest/gtest.h>

namespace veo {
namespace {

using namespace std::chrono_literals;

const RateLimit::Time start{1000s};

TEST(RateLimit, HoldsNothingBackUntilItIsToldTo) {
  RateLimit limit;
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(limit.find_next_time(start), start);
    limit.on_sent(start);
    limit.on_good_answer(start);
  }
}

TEST(RateLimit, HoldsAllForAsLongAsTheServiceSays) {
  RateLimit limit;
  limit.on_sent(start);
  limit.on_limited(start, start + 1s, 7s);
  EXPECT_EQ(limit.find_next_time(start + 1s), start + 8s);
  EXPECT_EQ(limit.find_next_time(start + 9s), start + 9s);
}

TEST(RateLimit, HoldsForASecondWhereTheServiceDoesNotSay) {
  RateLimit limit;
  limit.on_sent(start);
  limit.on_limited(start, start, std::nullopt);
  EXPECT_EQ(limit.find_next_time(start), start + 1s);
}

TEST(RateLimit, NeverShortensAHold) {
  RateLimit limit;
  limit.on_sent(start);
  limit.on_limited(start, start, 10s);
  limit.on_limited(start, start + 1s, 2s);
  EXPECT_EQ(limit.find_next_time(start + 1s), start + 10s);
}

TEST(RateLimit, CutsAHoldWithoutAnEnd) {
  RateLimit limit;
  limit.on_sent(start);
  limit.on_limited(start, start, std::chrono::hours(24 * 365));
  EXPECT_EQ(limit.find_next_time(start), start + 3600s);
}

TEST(RateLimit, HalvesTheSpeedWithEach429ToWhatLeftAfterTheLast) {
  RateLimit limit;
  auto now = start;
  for (const auto expected : {100ms, 200ms, 400ms}) {
    limit.on_sent(now);
    limit.on_limited(now, now, 0s);
    EXPECT_EQ(limit.find_next_time(now), now + expected);
    now += 60s;
  }
  for (int i = 0; i < 20; ++i) limit.on_limited(now += 60s, now, 0s);
  limit.on_sent(now);
  EXPECT_EQ(limit.find_next_time(now), now + 10s);
}

TEST(RateLimit, TakesSeveralAnswersToOneBurstForOne) {
  RateLimit limit;
  limit.on_sent(start);
  for (int i = 0; i < 6; ++i) limit.on_limited(start, start + 10ms, 0s);
  // A good answer to a request of the same burst does not shorten the interval either.
  limit.on_good_answer(start);
  EXPECT_EQ(limit.find_next_time(start + 10ms), start + 100ms);
}

TEST(RateLimit, ComesBackToFullSpeedWithGoodAnswers) {
  RateLimit limit;
  limit.on_sent(start);
  limit.on_limited(start, start, 0s);
  auto now = start;
  int answers = 0;
  for (; limit.find_next_time(now) > now; ++answers) {
    const auto next = limit.find_next_time(now);
    EXPECT_LE(next - now, 100ms);
    now = next;
    limit.on_sent(now);
    limit.on_good_answer(now);
  }
  EXPECT_GT(answers, 20);
  EXPECT_LT(answers, 60);
}

}  // namespace
}  // namespace veo
