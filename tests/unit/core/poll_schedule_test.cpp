// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/poll_schedule.h"

#include <gtest/gtest.h>

namespace veo {
namespace {

using namespace std::chrono_literals;

TEST(PollDelay, AFixedIntervalIsKept) {
  EXPECT_EQ(poll_delay(0ms, 20ms), 20ms);
  EXPECT_EQ(poll_delay(1h, 20ms), 20ms);
}

TEST(PollDelay, AdaptiveStaysInProportionToTheWait) {
  EXPECT_EQ(poll_delay(0ms, 0ms), 1s);
  EXPECT_EQ(poll_delay(10s, 0ms), 1s);
  EXPECT_EQ(poll_delay(50s, 0ms), 5s);
  EXPECT_EQ(poll_delay(1h, 0ms), 10s);
}

}  // namespace
}  // namespace veo
