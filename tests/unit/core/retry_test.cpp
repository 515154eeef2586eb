// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/retry.h"

#include <gtest/gtest.h>

namespace veo {
namespace {

using namespace std::chrono_literals;

TEST(Backoff, DoublesItsWindowUpToTheCap) {
  const Backoff backoff{.base = 100ms, .cap = 1000ms};
  EXPECT_EQ(backoff.compute_delay(0, 0.5), 50ms);
  EXPECT_EQ(backoff.compute_delay(1, 0.5), 100ms);
  EXPECT_EQ(backoff.compute_delay(3, 0.5), 400ms);
  EXPECT_EQ(backoff.compute_delay(4, 0.5), 500ms);
  EXPECT_EQ(backoff.compute_delay(4000, 0.5), 500ms);
}

TEST(Backoff, JittersOverTheWholeWindow) {
  const Backoff backoff{.base = 100ms, .cap = 1000ms};
  EXPECT_EQ(backoff.compute_delay(0, 0.0), 0ms);
  EXPECT_EQ(backoff.compute_delay(0, 0.99), 99ms);
}

TEST(Backoff, AddsItsJitterToRetryAfterAndCutsIt) {
  const Backoff backoff{.base = 100ms, .cap = 1000ms, .max_retry_after = 60s};
  EXPECT_EQ(backoff.compute_delay(0, 0.5, 3s), 3050ms);
  EXPECT_EQ(backoff.compute_delay(0, 0.5, 0s), 50ms);
  EXPECT_EQ(backoff.compute_delay(0, 0.0, 3600s), 60s);
  EXPECT_EQ(backoff.compute_delay(0, 0.0, -5s), 0s);
}

TEST(ParseDeltaSeconds, TakesDigitsAlone) {
  EXPECT_EQ(parse_delta_seconds("0"), 0s);
  EXPECT_EQ(parse_delta_seconds("120"), 120s);
  for (const char* bad : {"", " 1", "1 ", "-1", "+1", "1.5", "1s", "0x10", "Wed, 21 Oct 2026"}) {
    EXPECT_EQ(parse_delta_seconds(bad), std::nullopt) << bad;
  }
  EXPECT_GE(parse_delta_seconds("99999999999999999999999").value(), 24h);
}

}  // namespace
}  // namespace veo
