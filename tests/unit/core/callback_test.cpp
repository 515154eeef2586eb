// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/callback.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace veo {
namespace {

using testing::HasSubstr;

struct Good {
  const char* text;
  ListenAddress expected;
  const char* canonical;
};
void PrintTo(const Good& good, std::ostream* out) { *out << good.text; }
const Good good[] = {
    {"127.0.0.1:8080",
     {.address = "127.0.0.1", .port = 8080, .is_loopback = true},
     "127.0.0.1:8080"},
    {"127.0.0.2:0", {.address = "127.0.0.2", .is_loopback = true}, "127.0.0.2:0"},
    {"[::1]:65535",
     {.address = "::1", .port = 65535, .is_ipv6 = true, .is_loopback = true},
     "[::1]:65535"},
    {"[0:0:0:0:0:0:0:1]:80",
     {.address = "::1", .port = 80, .is_ipv6 = true, .is_loopback = true},
     "[::1]:80"},
    {"192.168.1.2:80", {.address = "192.168.1.2", .port = 80}, "192.168.1.2:80"},
    {"0.0.0.0:80", {.address = "0.0.0.0", .port = 80, .is_any = true}, "0.0.0.0:80"},
    {"[::]:80", {.address = "::", .port = 80, .is_ipv6 = true, .is_any = true}, "[::]:80"},
};

class ListenAddresses : public testing::TestWithParam<Good> {};
TEST_P(ListenAddresses, AreRead) {
  const auto parsed = parse_listen_address(GetParam().text);
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(*parsed, GetParam().expected);
  EXPECT_EQ(to_text(*parsed), GetParam().canonical);
}
INSTANTIATE_TEST_SUITE_P(All, ListenAddresses, testing::ValuesIn(good));

class NoListenAddresses : public testing::TestWithParam<std::string> {};
TEST_P(NoListenAddresses, AreRefusedAndNamed) {
  const auto parsed = parse_listen_address(GetParam());
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code, ErrorCode::invalid_request);
  EXPECT_EQ(parsed.error().charged, Charged::no);
  EXPECT_THAT(parsed.error().message, HasSubstr("callback-listen="));
}
INSTANTIATE_TEST_SUITE_P(
    All, NoListenAddresses,
    testing::Values("", ":", "8080", "127.0.0.1", "127.0.0.1:", ":8080", "localhost:8080",
                    "me.example:80", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+1",
                    "127.0.0.1:80x", "127.0.0.1: 80", " 127.0.0.1:80", "127.1:80", "0x7f.0.0.1:80",
                    "::1:80", "[::1]", "[::1:80", "::1]:80", "[127.0.0.1]:80", "[fe80::1%eth0]:80",
                    "http://127.0.0.1:80", "127.0.0.1:80/", "127.0.0.1:1:2",
                    std::string("127.0.0.1\0:80", 13), "127.0.0.1:99999999999999999999"));

TEST(ListenAddress, AnErrorShowsTheValue) {
  EXPECT_THAT(parse_listen_address("localhost:8080").error().message,
              HasSubstr("callback-listen=localhost:8080 "));
}

TEST(Reachable, IsALoopbackAddressForALoopbackServiceAlone) {
  const auto loopback = *parse_listen_address("127.0.0.1:80");
  EXPECT_TRUE(check_reachable(loopback, false, true));
  EXPECT_TRUE(check_reachable(loopback, true, false));
  const auto refused = check_reachable(loopback, false, false);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_request);
  EXPECT_THAT(refused.error().message, HasSubstr("127.0.0.1:80"));
  EXPECT_THAT(refused.error().message, HasSubstr("set callback-url"));
}

TEST(Reachable, IsEveryAddressThroughTheUsersUrlAlone) {
  for (const char* any : {"0.0.0.0:80", "[::]:80"}) {
    EXPECT_FALSE(check_reachable(*parse_listen_address(any), false, true));
    EXPECT_TRUE(check_reachable(*parse_listen_address(any), true, true));
  }
  EXPECT_TRUE(check_reachable(*parse_listen_address("203.0.113.7:80"), false, false));
}

TEST(CallbackUrl, TheTokenIsTheLastSegmentOfThePath) {
  EXPECT_EQ(make_callback_url("https://me.example", "t"), "https://me.example/t");
  EXPECT_EQ(make_callback_url("https://me.example/", "t"), "https://me.example/t");
  EXPECT_EQ(make_callback_url("https://me.example/veo", "t"), "https://me.example/veo/t");
  EXPECT_EQ(make_callback_url("https://me.example/veo/?a=/b?c", "t"),
            "https://me.example/veo/t?a=/b?c");
  EXPECT_EQ(make_callback_url("https://me.example?a#b", "t"), "https://me.example/t?a");
  EXPECT_EQ(make_callback_url("https://me.example/veo#b?c", "t"), "https://me.example/veo/t");
}

}  // namespace
}  // namespace veo
