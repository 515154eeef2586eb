// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/ledger_time.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace veo {
namespace {

using namespace std::chrono_literals;
using std::chrono::hours;
using std::chrono::milliseconds;

constexpr UnixTime noon{milliseconds(1'795'435'200'000)};
constexpr hours day{24};
constexpr hours ten_years{24 * 3652};

/// What has passed on the ledger's clock from one reading to the next.
milliseconds passed(const ClockReading& from, const ClockReading& to) {
  LedgerClock clock{.last = from, .time = LedgerTime(1000h)};
  const auto before = clock.time;
  clock.advance(to);
  return clock.time - before;
}

struct Jump {
  const char* name;
  milliseconds by;
};
class WallClock : public testing::TestWithParam<Jump> {};

TEST_P(WallClock, MayJumpWithinABoot) {
  const auto jumped = noon + GetParam().by;
  EXPECT_EQ(passed({noon, "A", 5h}, {jumped + 1min, "A", 5h + 1min}), 1min);
  EXPECT_EQ(passed({jumped, "A", 5h}, {noon + 1min, "A", 5h + 1min}), 1min) << "and back";
}

TEST_P(WallClock, DecidesBetweenTwoBootsAndNeverGoesBack) {
  const auto jumped = noon + GetParam().by;
  EXPECT_EQ(passed({noon, "A", 5h}, {jumped, "B", 1min}), std::max(0ms, GetParam().by));
  EXPECT_EQ(passed({noon}, {jumped}), std::max(0ms, GetParam().by)) << "no boot is known";
}

INSTANTIATE_TEST_SUITE_P(All, WallClock,
                         testing::Values(Jump{"one_day_ahead", day}, Jump{"one_day_back", -day},
                                         Jump{"ten_years_ahead", ten_years},
                                         Jump{"ten_years_back", -ten_years}, Jump{"none", 0ms}),
                         [](const auto& tested) { return std::string(tested.param.name); });

TEST(LedgerClock, GoesOnFromTheLatestReading) {
  LedgerClock clock{.last = {noon, "A", 5h}, .time = LedgerTime(0h)};
  clock.advance({noon + 2min, "A", 5h + 2min});
  // A process that read its clocks earlier writes later.
  clock.advance({noon + 1min, "A", 5h + 1min});
  EXPECT_EQ(clock.time, LedgerTime(2min));
  clock.advance({noon + 3min, "A", 5h + 3min});
  EXPECT_EQ(clock.time, LedgerTime(3min)) << "no minute counts twice";
}

TEST(LedgerClock, IsRightAgainAfterABootWithAWrongClock) {
  LedgerClock clock{.last = {noon, "A", 5h}, .time = LedgerTime(0h)};
  clock.advance({UnixTime(0ms), "B", 1min});  // a machine without a battery for its clock
  clock.advance({noon + 1h, "B", 3min});      // the network has told the time
  EXPECT_EQ(clock.time, LedgerTime(2min));
  clock.advance({noon + 2h, "C", 1min});
  EXPECT_EQ(clock.time, LedgerTime(1h + 2min));
}

TEST(LedgerClock, IgnoresADateWhereABootIsKnown) {
  EXPECT_EQ(passed({noon, "A", 5h}, {noon + ten_years}), 0ms);
  EXPECT_EQ(passed({noon}, {noon + ten_years, "A", 5h}), 0ms);
  LedgerClock clock{.last = {noon}, .time = LedgerTime(0h)};
  clock.advance({noon + ten_years, "A", 5h});
  clock.advance({noon - ten_years});
  clock.advance({noon, "A", 6h});
  EXPECT_EQ(clock.time, LedgerTime(1h));
}

TEST(LedgerClock, BearsAnyNumber) {
  constexpr milliseconds least{std::numeric_limits<std::int64_t>::min()};
  constexpr milliseconds most{std::numeric_limits<std::int64_t>::max()};
  EXPECT_GT(passed({UnixTime(least), "A"}, {UnixTime(most), "B"}), ten_years);
  EXPECT_EQ(passed({UnixTime(most), "A"}, {UnixTime(least), "B"}), 0ms);
  EXPECT_GT(passed({noon, "A", least}, {noon, "A", most}), ten_years);
  LedgerClock clock{.last = {noon, "A", 0h}, .time = LedgerTime(most)};
  clock.advance({noon, "A", most});
  EXPECT_LE(clock.time, LedgerTime(most));
}

TEST(FindDate, CountsBackFromNow) {
  const LedgerClock clock{.last = {noon, "A", 5h}, .time = LedgerTime(10h)};
  EXPECT_EQ(find_date(LedgerTime(10h), clock), noon);
  EXPECT_EQ(find_date(LedgerTime(7h), clock), noon - 3h);
  EXPECT_EQ(find_date(LedgerTime(11h), clock), noon) << "no row is later than now";
}

}  // namespace
}  // namespace veo
