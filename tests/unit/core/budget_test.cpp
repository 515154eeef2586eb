// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/budget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <ostream>
#include <string>

namespace veo {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr auto most = std::numeric_limits<Credits>::max();
constexpr auto dearest = std::numeric_limits<std::uint32_t>::max();

TEST(MaxCredits, HoldsThePriceOfOneRequest) {
  EXPECT_TRUE(check_max_credits(40, 40));
  EXPECT_TRUE(check_max_credits(0, 1));
  EXPECT_TRUE(check_max_credits(dearest, dearest));
  const auto over = check_max_credits(41, 40);
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().code, ErrorCode::budget_exceeded);
  EXPECT_EQ(over.error().charged, Charged::no);
  EXPECT_THAT(over.error().message,
              AllOf(HasSubstr("41 credits"), HasSubstr("40"), HasSubstr("Nothing was sent")));
}

TEST(MaxCredits, IsNoneAtZero) {
  EXPECT_TRUE(check_max_credits(dearest, 0));
  EXPECT_TRUE(check_max_credits(std::nullopt, 0));
}

TEST(MaxCredits, RefusesAnUnknownPriceAndNamesTheLineToWrite) {
  const auto outcome = check_max_credits(std::nullopt, dearest);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::budget_exceeded);
  EXPECT_THAT(outcome.error().message, AllOf(HasSubstr("extend_credits"), HasSubstr("VEO_CATALOG"),
                                             HasSubstr("max-credits to 0")));
}

TEST(ParseBudget, TakesAWholeNumber) {
  EXPECT_EQ(parse_budget("V", std::nullopt).value(), std::nullopt);
  EXPECT_EQ(parse_budget("V", "0").value(), 0U);
  EXPECT_EQ(parse_budget("V", "00400").value(), 400U);
  EXPECT_EQ(parse_budget("V", "18446744073709551615").value(), most);
}

class UnreadableBudget : public testing::TestWithParam<std::string> {};
TEST_P(UnreadableBudget, IsARefusalNotNoLimit) {
  const auto outcome = parse_budget("VEO_DAILY_BUDGET", GetParam());
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::budget_exceeded);
  EXPECT_THAT(outcome.error().message, HasSubstr("VEO_DAILY_BUDGET=" + GetParam()));
}
INSTANTIATE_TEST_SUITE_P(All, UnreadableBudget,
                         testing::Values("", " ", "-1", "+1", " 1", "1 ", "1.0", "1e3", "0x10",
                                         "1,000", "1k", "none", "18446744073709551616",
                                         std::string("1\0", 2)));

struct Sum {
  Credits limit;
  Credits spent;
  std::uint32_t price;
  bool fits;
};
void PrintTo(const Sum& sum, std::ostream* out) {
  *out << sum.spent << " + " << sum.price << " of " << sum.limit;
}
class Budget : public testing::TestWithParam<Sum> {};
TEST_P(Budget, HoldsWhatIsSpentAndThePrice) {
  const auto [limit, spent, price, fits] = GetParam();
  EXPECT_EQ(check_budget("VEO_DAILY_BUDGET", limit, spent, price).has_value(), fits);
}
INSTANTIATE_TEST_SUITE_P(Edges, Budget,
                         testing::Values(Sum{100, 60, 40, true},   //
                                         Sum{100, 61, 40, false},  //
                                         Sum{100, 60, 41, false},  //
                                         Sum{100, 100, 0, true},   //
                                         Sum{100, 101, 0, false},  //
                                         Sum{0, 0, 0, true},       //
                                         Sum{0, 0, 1, false},      //
                                         // These sums wrap around in 64 bits.
                                         Sum{most, most - 40, 40, true},
                                         Sum{most, most - 39, 40, false},
                                         Sum{most, most, dearest, false},
                                         Sum{100, most, 101, false},
                                         Sum{100, most - 50, 100, false}));

TEST(Budget, ItsRefusalGivesTheSumAndTheWayOn) {
  const auto outcome = check_budget("VEO_URI_BUDGET", 100, 80, 40);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::budget_exceeded);
  EXPECT_THAT(outcome.error().message,
              AllOf(HasSubstr("40 credits"), HasSubstr("100"), HasSubstr("80"),
                    HasSubstr("raise VEO_URI_BUDGET"), HasSubstr("Nothing was sent")));
}

TEST(Budget, AnUnknownPriceIsOverEvenTheLargest) {
  const auto outcome = check_budget("VEO_DAILY_BUDGET", most, 0, std::nullopt);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::budget_exceeded);
  EXPECT_THAT(outcome.error().message,
              AllOf(HasSubstr("extend_credits"), HasSubstr("unset VEO_DAILY_BUDGET")));
}

}  // namespace
}  // namespace veo
