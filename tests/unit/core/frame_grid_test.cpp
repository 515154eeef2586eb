// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/frame_grid.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace veo {
namespace {

TEST(FrameGrid, CutsASecondInto24Frames) {
  const FrameGrid grid(24, 1, 48'000);
  EXPECT_EQ(grid.time_of(0), 0U);
  EXPECT_EQ(grid.time_of(1), 41'666'666U);
  EXPECT_EQ(grid.time_of(2), 83'333'333U);
  EXPECT_EQ(grid.time_of(3), 125'000'000U);
  EXPECT_EQ(grid.time_of(24), 1'000'000'000U);
  EXPECT_EQ(grid.samples_of(0), 2'000U);
  EXPECT_EQ(grid.samples_before(1'440), 2'880'000U);
  EXPECT_EQ(grid.longest_tick(), 41'666'667U);
}

TEST(FrameGrid, SpreadsSamplesThatNoFrameDivides) {
  const FrameGrid grid(24, 1, 44'100);
  EXPECT_EQ(grid.samples_of(0), 1'837U);
  EXPECT_EQ(grid.samples_of(1), 1'838U);
  EXPECT_EQ(grid.samples_before(24), 44'100U);
  EXPECT_EQ(grid.samples_before(1'440), 2'646'000U);
  EXPECT_EQ(grid.sound_time_of(1), 41'655'328U);  // 1,837 samples
  EXPECT_EQ(grid.sound_time_of(2), 83'333'333U);  // 3,675 samples
}

TEST(FrameGrid, TakesTheRatesOfTelevision) {
  const FrameGrid grid(30'000, 1'001, 48'000);
  EXPECT_EQ(grid.time_of(1), 33'366'666U);
  EXPECT_EQ(grid.time_of(30'000), 1'001'000'000'000U);
  EXPECT_EQ(grid.samples_of(0), 1'601U);
  EXPECT_EQ(grid.samples_before(5), 8'008U);
  EXPECT_EQ(grid.longest_tick(), 33'366'667U);
  EXPECT_EQ(FrameGrid(25, 1, 48'000).longest_tick(), 40'000'000U);
}

TEST(FrameGrid, KeepsItsPrecisionForYears) {
  const FrameGrid grid(30'000, 1'001, 44'100);
  constexpr std::uint64_t years = 30'000ULL * 100'000;  // 100,000 × 1,001 s are 3.2 years
  EXPECT_EQ(grid.time_of(years), 100'100'000'000'000'000U);
  EXPECT_EQ(grid.samples_before(years), 44'100ULL * 100'100'000);
  EXPECT_EQ(grid.time_of(years + 1) - grid.time_of(years), 33'366'666U);
  EXPECT_EQ(grid.sound_time_of(years), grid.time_of(years));
  EXPECT_EQ(grid.tick_at(grid.time_of(years)), years);
}

TEST(FrameGrid, FindsTheTickOfATime) {
  const FrameGrid grids[] = {{24, 1, 48'000},    {30'000, 1'001, 44'100},
                             {1, 3, 8'000},      {24'000, 1'001, 48'000},
                             {240, 1, 192'000},  {2'147'483'647, 2'147'483'646, 48'000},
                             {1'000, 1, 44'100}, {7, 13, 11'025}};
  for (const auto& grid : grids) {
    for (std::uint64_t tick = 0; tick < 5'000; ++tick) {
      SCOPED_TRACE(tick);
      const auto begin = grid.time_of(tick);
      const auto end = grid.time_of(tick + 1);
      ASSERT_EQ(grid.tick_at(begin), tick);
      ASSERT_EQ(grid.tick_at(end - 1), tick);
      ASSERT_LE(end - begin, grid.longest_tick());
    }
  }
}

TEST(FrameGrid, PlacesSoundLessThanOneSampleBeforeItsPicture) {
  const FrameGrid grid(24'000, 1'001, 44'100);
  constexpr std::uint64_t sample = 1'000'000'000 / 44'100 + 1;
  for (std::uint64_t tick = 0; tick < 50'000; ++tick) {
    ASSERT_LE(grid.sound_time_of(tick), grid.time_of(tick)) << tick;
    ASSERT_LT(grid.time_of(tick), grid.sound_time_of(tick) + sample) << tick;
  }
}

}  // namespace
}  // namespace veo
