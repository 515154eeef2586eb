// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/record.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <string>

namespace veo {
namespace {

using enum RecordState;
using namespace std::chrono_literals;

constexpr RecordState states[] = {reserved, sending,  accepted, completed,
                                  failed,   released, unknown,  superseded};

// The state machine of docs/money.md, written a second time. Each row is a state before a
// transition, and each column a state after it, in the order of `states`.
constexpr const char* matrix[] = {
    // rs se ac co fa re un su
    ".  s  .  .  .  r  .  . ",  // reserved
    "h  .  a  .  .  r  u  . ",  // sending
    ".  .  .  c  f  .  .  . ",  // accepted
    ".  .  .  .  .  .  .  . ",  // completed
    ".  .  .  .  .  .  .  . ",  // failed
    ".  .  .  .  .  .  .  . ",  // released
    ".  .  a  .  .  .  .  x ",  // unknown
    ".  .  .  .  .  .  .  . ",  // superseded
};

TEST(Record, HasTheTransitionsOfItsMachineAndNoOther) {
  for (std::size_t from = 0; from < std::size(states); ++from) {
    for (std::size_t to = 0; to < std::size(states); ++to) {
      const auto ways = list_states_before(states[to]);
      EXPECT_EQ(std::ranges::count(ways, states[from]), matrix[from][3 * to] == '.' ? 0 : 1)
          << nick(states[from]) << " to " << nick(states[to]);
    }
  }
}

// A failed task is refunded, and a released one was never paid. All other records count, because
// they may be paid.
TEST(Record, CountsAsSpentUnlessItIsSurelyNot) {
  for (const auto state : states) {
    EXPECT_EQ(is_spent(state), state != failed && state != released) << nick(state);
  }
}

TEST(Record, NicksAreTheLedgersAndComeBack) {
  constexpr const char* nicks[] = {"reserved", "sending",  "accepted", "completed",
                                   "failed",   "released", "unknown",  "superseded"};
  for (std::size_t i = 0; i < std::size(states); ++i) {
    EXPECT_EQ(nick(states[i]), nicks[i]);
    EXPECT_EQ(parse_record_state(nicks[i]), states[i]);
  }
  for (const char* other : {"", "Reserved", "sending ", "paid", "accepted,completed"}) {
    EXPECT_EQ(parse_record_state(other), std::nullopt) << other;
  }
}

TEST(ToText, IsUtcToTheSecond) {
  EXPECT_EQ(to_text(UnixTime(0ms)), "1970-01-01 00:00:00 UTC");
  EXPECT_EQ(to_text(UnixTime(1'795'410'918'999ms)), "2026-11-23 05:15:18 UTC");
  EXPECT_EQ(to_text(UnixTime(1'709'251'199'000ms)), "2024-02-29 23:59:59 UTC");
  EXPECT_EQ(to_text(UnixTime(-1ms)), "1969-12-31 23:59:59 UTC");
}

}  // namespace
}  // namespace veo
