// SPDX-License-Identifier: LGPL-2.1-or-later
#include "job_registry.h"

#include <gtest/gtest.h>

#include <string>

namespace veo {
namespace {

std::string name_of(std::size_t number) { return "registry-test-" + std::to_string(number); }

TEST(JobRegistry, RemembersTheNewestFailures) {
  constexpr auto most = JobRegistry::most_failures;
  JobRegistry::remember_failure(name_of(0), {.message = "the first"});
  JobRegistry::remember_failure(name_of(1), {.message = "failed again and again"});
  for (std::size_t i = 2; i < 2 * most; ++i) {
    JobRegistry::remember_failure(name_of(i), {.message = std::to_string(i)});
    JobRegistry::remember_failure(name_of(1), {.message = "failed again and again"});
  }
  EXPECT_FALSE(JobRegistry::failure(name_of(0)));
  EXPECT_FALSE(JobRegistry::failure(name_of(most)));
  ASSERT_TRUE(JobRegistry::failure(name_of(2 * most - 1)));
  EXPECT_EQ(JobRegistry::failure(name_of(2 * most - 1))->message, std::to_string(2 * most - 1));
  ASSERT_TRUE(JobRegistry::failure(name_of(most + 1)));
  ASSERT_TRUE(JobRegistry::failure(name_of(1)));
  EXPECT_EQ(JobRegistry::failure(name_of(1))->message, "failed again and again");
}

}  // namespace
}  // namespace veo
