// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/task.h"

#include <gtest/gtest.h>

#include <limits>

namespace veo {
namespace {

using namespace std::chrono_literals;

TEST(GenerationTime, IsTheServicesOwnOrNothing) {
  constexpr auto least = std::numeric_limits<std::int64_t>::min();
  constexpr auto most = std::numeric_limits<std::int64_t>::max();
  using Time = std::optional<std::int64_t>;
  struct {
    Time created;
    Time completed;
    std::optional<std::chrono::milliseconds> took;
  } const cases[] = {
      {1'700'000'000, 1'700'000'090, 90s},
      {0, 0, 0s},
      {0, 1799, 1799s},
      {0, 1800, std::nullopt},
      {most - 5, most, 5s},
      {least, least + 5, 5s},
      {-2, 3, 5s},
      {90, 0, std::nullopt},
      {least, most, std::nullopt},
      {most, least, std::nullopt},
      {least, 0, std::nullopt},
      {0, most, std::nullopt},
      {std::nullopt, 5, std::nullopt},
      {5, std::nullopt, std::nullopt},
  };
  for (const auto& [created, completed, took] : cases) {
    const TaskReport report{.created_at = created, .completed_at = completed};
    EXPECT_EQ(compute_generation_time(report, 1800s), took)
        << created.value_or(-1) << " " << completed.value_or(-1);
    EXPECT_EQ(compute_generation_time(report, -1s), std::nullopt);
  }
}

}  // namespace
}  // namespace veo
