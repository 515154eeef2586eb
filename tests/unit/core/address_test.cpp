// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace veo {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

Address address(const char* text) {
  const auto parsed = parse_address(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(Address{});
}

TEST(Address, IsShownAsItIsWritten) {
  for (const char* text : {"0.0.0.0", "198.18.0.7", "::", "fd00::1", "2001:db8::a:1"}) {
    EXPECT_EQ(to_text(address(text)), text);
  }
  for (const char* text : {"", "198.18.7", "0x7f.0.0.1", "[::1]", "::1%lo", "a.example"}) {
    EXPECT_FALSE(parse_address(text)) << text;
  }
}

struct Ranges {
  const char* text;
  std::vector<const char*> inside;
  std::vector<const char*> outside;
};

class GoodRanges : public testing::TestWithParam<Ranges> {};

TEST_P(GoodRanges, ContainTheirAddressesAlone) {
  const auto ranges = AddressRanges::parse("allow-addresses", GetParam().text);
  ASSERT_TRUE(ranges) << ranges.error().message;
  for (const char* text : GetParam().inside) EXPECT_TRUE(ranges->contains(address(text))) << text;
  for (const char* text : GetParam().outside) EXPECT_FALSE(ranges->contains(address(text))) << text;
}

INSTANTIATE_TEST_SUITE_P(
    Address, GoodRanges,
    testing::Values(Ranges{"", {}, {"198.18.0.1", "::"}}, Ranges{"  ", {}, {"0.0.0.0"}},
                    Ranges{"198.18.0.0/15",
                           {"198.18.0.0", "198.19.255.255", "::ffff:198.18.0.1", "64:ff9b::c612:1"},
                           {"198.17.255.255", "198.20.0.0", "::ffff:198.20.0.0"}},
                    Ranges{" 10.0.0.0/8 ,\t172.16.0.0/12",
                           {"10.1.2.3", "172.31.0.1"},
                           {"11.0.0.0", "172.32.0.0"}},
                    Ranges{"10.1.2.3", {"10.1.2.3"}, {"10.1.2.2", "10.1.2.4"}},
                    Ranges{"10.1.2.3/32", {"10.1.2.3"}, {"10.1.2.2"}},
                    Ranges{"0.0.0.0/0", {"1.2.3.4", "127.0.0.1"}, {"::1", "fd00::1"}},
                    Ranges{"fd00::/8", {"fd00::1", "fdff::"}, {"fc00::1", "fe00::", "253.0.0.1"}},
                    Ranges{"fc00::/18", {"fc00:3fff::1"}, {"fc00:4000::1"}},
                    Ranges{"::ffff:10.0.0.0/104", {"::ffff:10.1.1.1"}, {"::ffff:11.0.0.0"}}));

class BadRanges : public testing::TestWithParam<const char*> {};

TEST_P(BadRanges, AreRefusedWithTheRightForm) {
  const auto ranges = AddressRanges::parse("VEO_ALLOW_ADDRESSES", GetParam());
  ASSERT_FALSE(ranges);
  EXPECT_EQ(ranges.error().code, ErrorCode::invalid_request);
  EXPECT_THAT(ranges.error().message,
              AllOf(HasSubstr("VEO_ALLOW_ADDRESSES"), HasSubstr("198.18.0.0/15"),
                    HasSubstr("Nothing was sent")));
  EXPECT_THAT(ranges.error().message, Not(HasSubstr("\n")));
}

INSTANTIATE_TEST_SUITE_P(Address, BadRanges,
                         testing::Values("all", "10.0.0.0/33", "fd00::/129", "10.0.0.0/", "10/8",
                                         "10.0.0.0/-1", "10.0.0.0/8,", ",10.0.0.0/8",
                                         "10.0.0.0/8;1.1.1.1", "10.0.0.0/ 8", "10.0.0.0/8/8",
                                         "10.0.0.1/8", "fd00::1/8", "10.0.0.0\n/8", "file.example",
                                         "[fd00::]/8"));

TEST(Address, ARangeThatIsNoneNamesTheRange) {
  EXPECT_THAT(AddressRanges::parse("allow-addresses", "10.1.2.3/8").error().message,
              HasSubstr("10.0.0.0/8"));
}

TEST(Address, LoopbackIsInARangeOnlyIfItIsNamed) {
  EXPECT_TRUE(AddressRanges::parse("", "127.0.0.0/8")->contains_loopback());
  EXPECT_TRUE(AddressRanges::parse("", "::1")->contains_loopback());
  EXPECT_FALSE(AddressRanges::parse("", "10.0.0.0/8,fd00::/8")->contains_loopback());
}

// What is suggested allows the addresses, whatever they are.
TEST(Address, TheSuggestionAllowsWhatWasRefused) {
  const std::vector<Address> fake = {address("198.18.0.7"), address("198.19.3.4")};
  EXPECT_EQ(suggest_ranges(fake), "198.18.0.0/15");
  const std::vector<Address> inside = {address("10.1.2.3"), address("fd00::1"),
                                       address("10.1.2.3")};
  EXPECT_EQ(suggest_ranges(inside), "10.1.2.3/32,fd00::1/128");
  EXPECT_EQ(suggest_ranges(std::vector<Address>{address("fc00::9")}), "fc00::/18");
  for (const char* text : {"198.18.0.7", "10.1.2.3", "100.64.0.1", "fc00::9", "fd00::1",
                           "::ffff:10.0.0.1", "64:ff9b::a00:1", "127.0.0.1", "::"}) {
    const std::vector<Address> one = {address(text)};
    const auto ranges = AddressRanges::parse("allow-addresses", suggest_ranges(one));
    ASSERT_TRUE(ranges) << text;
    EXPECT_TRUE(ranges->contains(one.front())) << text;
  }
}

TEST(Address, TheExplanationNamesHostAddressAndSetting) {
  const std::vector<Address> fake = {address("198.18.0.7")};
  EXPECT_THAT(explain_refused_addresses("file.example", fake),
              AllOf(HasSubstr("file.example"), HasSubstr("198.18.0.7"), HasSubstr("fake-IP DNS"),
                    HasSubstr("allow-addresses=198.18.0.0/15"), HasSubstr("VEO_ALLOW_ADDRESSES")));
  const std::vector<Address> inside = {address("10.1.2.3")};
  EXPECT_THAT(explain_refused_addresses("file.example", inside),
              AllOf(HasSubstr("allow-addresses=10.1.2.3/32"), Not(HasSubstr("fake-IP"))));
}

}  // namespace
}  // namespace veo
