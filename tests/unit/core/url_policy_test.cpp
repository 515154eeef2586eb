// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/url_policy.h"

#include <arpa/inet.h>
#include <glib.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace veo {

// GoogleTest finds it by ADL and prints a value with it.
void PrintTo(const Origin& origin, std::ostream* out) {
  *out << origin.scheme << "://" << origin.host << ":" << origin.port;
}

namespace {

using namespace std::string_view_literals;
using testing::HasSubstr;
using testing::Not;

// --- URLs that are refused everywhere ---

struct Bad {
  std::string_view url;
  const char* why;
};

constexpr const char* invalid = "not a valid URL";
constexpr const char* scheme = "neither http nor https";
constexpr const char* no_host = "names no host";
constexpr const char* user = "a user's name";
constexpr const char* host = "neither a name nor an address";

constexpr Bad bad_urls[] = {
    {""sv, invalid},
    {"h"sv, invalid},
    {"//h/"sv, invalid},
    {"h/path"sv, invalid},
    {"://h"sv, invalid},
    // Schemes.
    {"ftp://h/"sv, scheme},
    {"file:///etc/passwd"sv, scheme},
    {"data:text/html,x"sv, scheme},
    {"javascript:alert(1)"sv, scheme},
    {"ws://h/"sv, scheme},
    {"h:80"sv, scheme},
    {"httpss://h/"sv, scheme},
    // Hosts.
    {"https:"sv, no_host},
    {"https:h"sv, no_host},
    {"https:/h"sv, no_host},
    {"https://"sv, no_host},
    {"https:///path"sv, no_host},
    {"https://?q"sv, no_host},
    {"https://:80/"sv, no_host},
    {"https://h%2fx/"sv, host},
    {"https://h%20x/"sv, host},
    {"https://h%5cx/"sv, host},
    {"https://h%40x/"sv, host},
    {"https://h%0ax/"sv, host},
    {"https://h%00x/"sv, invalid},
    {"https://h$x/"sv, host},
    {"https://./"sv, host},
    {"https://.h/"sv, host},
    // Addresses in unusual forms.
    {"https://2130706433/"sv, host},
    {"https://0x7f.1/"sv, host},
    {"https://0x7f000001/"sv, host},
    {"https://127.1/"sv, host},
    {"https://0177.0.0.1/"sv, host},
    {"https://127.0.0.1./"sv, host},
    {"https://127.0.0.256/"sv, host},
    {"https://h.1/"sv, host},
    {"https://%31%32%37.0.0.1/"sv, invalid},
    {"https://[::1"sv, invalid},
    {"https://[::g]/"sv, invalid},
    {"https://[127.0.0.1]/"sv, invalid},
    {"https://[v1.x]/"sv, invalid},
    {"https://[::1%lo]/"sv, invalid},
    {"https://[::1%25lo]/"sv, host},
    {"https://[fe80::1%25eth0]/"sv, host},
    // User info.
    {"https://u@h/"sv, user},
    {"https://u:p@h/"sv, user},
    {"https://@h/"sv, user},
    {"https://api.example%40h:443@evil.example/"sv, user},
    // Ports.
    {"https://h:0/"sv, "port 0"},
    {"https://h:65536/"sv, invalid},
    {"https://h:-1/"sv, invalid},
    {"https://h:+1/"sv, invalid},
    {"https://h:80:80/"sv, invalid},
    {"https://h:x/"sv, invalid},
    // Characters that parsers read differently.
    {"https://h/a b"sv, invalid},
    {" https://h/"sv, invalid},
    {"https://h/ "sv, invalid},
    {"https://h /"sv, invalid},
    {"https://h\t/"sv, invalid},
    {"https://h/\r\nHost: x"sv, invalid},
    {"https://h/\0"sv, invalid},
    {"https://h\0.evil.example/"sv, invalid},
    {"https://h/\x7f"sv, invalid},
    {"https://a\\@b/"sv, invalid},
    {"https:\\\\h/"sv, invalid},
    {"https://h/%zz"sv, invalid},
    {"https://\xff/"sv, invalid},
};

class BadUrl : public testing::TestWithParam<Bad> {};

TEST_P(BadUrl, IsRefusedByAll) {
  const auto& [url, why] = GetParam();
  const auto origin = parse_origin(url);
  ASSERT_FALSE(origin);
  EXPECT_EQ(origin.error().code, ErrorCode::bad_response);
  EXPECT_THAT(origin.error().message, HasSubstr(why));

  const auto api = check_api_url(url);
  ASSERT_FALSE(api);
  EXPECT_EQ(api.error().code, ErrorCode::invalid_request);
  EXPECT_THAT(api.error().message, HasSubstr(why));

  for (const bool api_is_loopback : {false, true}) {
    const auto file = check_file_url(url, {.api_is_loopback = api_is_loopback});
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().code, ErrorCode::bad_response);
    EXPECT_THAT(file.error().message, HasSubstr(why));
  }
}

INSTANTIATE_TEST_SUITE_P(UrlPolicy, BadUrl, testing::ValuesIn(bad_urls));

// --- origins ---

struct GoodOrigin {
  const char* url;
  Origin origin;
};

class GoodUrl : public testing::TestWithParam<GoodOrigin> {};

TEST_P(GoodUrl, HasAnOrigin) {
  const auto origin = parse_origin(GetParam().url);
  ASSERT_TRUE(origin) << origin.error().message;
  EXPECT_EQ(*origin, GetParam().origin);
}

INSTANTIATE_TEST_SUITE_P(
    UrlPolicy, GoodUrl,
    testing::Values(GoodOrigin{"https://h", {"https", "h", 443}},
                    GoodOrigin{"http://h", {"http", "h", 80}},
                    GoodOrigin{"https://h:/", {"https", "h", 443}},
                    GoodOrigin{"https://h:443/x?y#z", {"https", "h", 443}},
                    GoodOrigin{"https://h:80", {"https", "h", 80}},
                    GoodOrigin{"https://h:65535", {"https", "h", 65535}},
                    GoodOrigin{"HTTPS://API.Example.COM/V1", {"https", "api.example.com", 443}},
                    GoodOrigin{"https://ä.example/", {"https", "xn--4ca.example", 443}},
                    GoodOrigin{"https://Ä.Example/", {"https", "xn--4ca.example", 443}},
                    GoodOrigin{"https://a_b.example", {"https", "a_b.example", 443}},
                    GoodOrigin{"https://%61.example", {"https", "a.example", 443}},
                    GoodOrigin{"https://3com.example", {"https", "3com.example", 443}},
                    // The name is not resolved, so it is just another name.
                    GoodOrigin{"https://h./", {"https", "h.", 443}},
                    GoodOrigin{"https://127.0.0.1.evil.com", {"https", "127.0.0.1.evil.com", 443}},
                    GoodOrigin{"https://１２７.0.0.1/", {"https", "127.0.0.1", 443}},
                    GoodOrigin{"http://192.0.2.7:8080", {"http", "192.0.2.7", 8080}},
                    GoodOrigin{"http://[2001:DB8::1]:8080/", {"http", "2001:db8::1", 8080}}));

// --- loopback hosts ---

struct Host {
  std::string_view host;
  bool loopback;
};

TEST(UrlPolicy, KnowsAUrlOfALoopbackHost) {
  for (const char* url : {"http://127.0.0.1:8080/v1", "http://[::1]/v1", "https://localhost/v1"}) {
    EXPECT_TRUE(is_loopback_url(url)) << url;
  }
  for (const char* url : {"https://api.example/v1", "https://127.0.0.1.example/v1",
                          "http://10.0.0.1", "localhost", "", "127.0.0.1"}) {
    EXPECT_FALSE(is_loopback_url(url)) << url;
  }
}

class LoopbackHost : public testing::TestWithParam<Host> {};

TEST_P(LoopbackHost, IsKnownByItsText) {
  EXPECT_EQ(is_loopback_host(GetParam().host), GetParam().loopback);
}

INSTANTIATE_TEST_SUITE_P(
    UrlPolicy, LoopbackHost,
    testing::Values(Host{"localhost", true}, Host{"LOCALHOST", true}, Host{"127.0.0.1", true},
                    Host{"127.255.255.254", true}, Host{"::1", true}, Host{"0:0:0:0:0:0:0:1", true},
                    Host{"::ffff:127.0.0.1", true}, Host{"::FFFF:7F00:1", true},  //
                    Host{{}, false}, Host{"", false}, Host{"localhost.", false},
                    Host{"localhost.example", false}, Host{"alocalhost", false},
                    Host{"a.localhost", true}, Host{"A.B.LocalHost", true},
                    Host{"a.localhost.", false}, Host{"a.localhost.example", false},
                    Host{"a-localhost", false}, Host{"127.0.0.1.evil.com", false},
                    Host{"127.1", false}, Host{"2130706433", false}, Host{"0x7f.1", false},
                    Host{"0177.0.0.1", false}, Host{"127.0.0.1.", false}, Host{"127.0.0.1 ", false},
                    Host{"127.0.0.1\0.evil.com"sv, false}, Host{"localhost\0"sv, false},
                    Host{"126.255.255.255", false}, Host{"128.0.0.0", false},
                    Host{"0.0.0.0", false}, Host{"::", false}, Host{"::2", false},
                    Host{"::127.0.0.1", false}, Host{"::1%lo", false}, Host{"fe80::1", false}));

// --- the API's URL ---

struct Api {
  const char* given;
  const char* kept;  ///< the result; null if the URL is refused
};

class ApiUrl : public testing::TestWithParam<Api> {};

TEST_P(ApiUrl, IsHttpsOrLoopbackAndHasOneSpelling) {
  const auto url = check_api_url(GetParam().given);
  if (GetParam().kept == nullptr) {
    ASSERT_FALSE(url) << *url;
    EXPECT_EQ(url.error().code, ErrorCode::invalid_request);
    return;
  }
  ASSERT_TRUE(url) << url.error().message;
  EXPECT_EQ(*url, GetParam().kept);
  EXPECT_EQ(*check_api_url(*url), *url);
}

INSTANTIATE_TEST_SUITE_P(
    UrlPolicy, ApiUrl,
    testing::Values(
        Api{"https://api.example/v1", "https://api.example/v1"},
        Api{"https://api.example/v1/", "https://api.example/v1"},
        Api{"https://api.example/v1//", "https://api.example/v1"},
        Api{"https://api.example/", "https://api.example"},
        Api{"https://api.example", "https://api.example"},
        Api{"HTTPS://API.example:443/V1", "https://api.example/V1"},
        Api{"https://api.example:444/v1", "https://api.example:444/v1"},
        Api{"https://api.example:80/v1", "https://api.example:80/v1"},
        Api{"https://h/a%2Fb/", "https://h/a%2Fb"},
        Api{"https://ä.example/v1", "https://xn--4ca.example/v1"},
        Api{"https://10.0.0.1/v1", "https://10.0.0.1/v1"},
        Api{"https://[2001:DB8::1]/v1", "https://[2001:db8::1]/v1"},
        Api{"http://localhost", "http://localhost"}, Api{"HTTP://LOCALHOST:80", "http://localhost"},
        Api{"http://api.localhost:8080/v1", "http://api.localhost:8080/v1"},
        Api{"http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1"},
        Api{"http://127.9.9.9/", "http://127.9.9.9"}, Api{"http://[::1]:8080", "http://[::1]:8080"},
        Api{"https://api.example/v1?", nullptr}, Api{"https://api.example/v1?key=x", nullptr},
        Api{"https://api.example/v1#", nullptr}, Api{"https://api.example/v1#x", nullptr},
        Api{"http://api.example/v1", nullptr}, Api{"http://127.0.0.1.evil.com", nullptr},
        Api{"http://localhost.evil.com", nullptr}, Api{"http://localhost.", nullptr},
        Api{"http://10.0.0.1/v1", nullptr}, Api{"http://[::]/v1", nullptr},
        Api{"http://2130706433", nullptr}, Api{"http://0x7f.1", nullptr}));

TEST(ApiUrl, MessagesHoldNoSecret) {
  for (const auto* url : {"http://u:geheim@h/", "http://h/?geheim", "https://h/#geheim",
                          "ftp://geheim@h:99999?geheim@"}) {
    const auto refused = check_api_url(url);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, Not(HasSubstr("geheim"))) << url;
  }
  EXPECT_THAT(check_api_url("http://api.example/v1").error().message,
              HasSubstr("http://api.example/v1"));
}

// --- files' URLs ---

struct File {
  const char* url;
  bool allowed;
  bool allowed_from_loopback;
};

class FileUrl : public testing::TestWithParam<File> {};

TEST_P(FileUrl, IsHttpsUnlessTheApiIsOnThisMachine) {
  const auto& [url, allowed, allowed_from_loopback] = GetParam();
  EXPECT_EQ(check_file_url(url, {}).has_value(), allowed);
  EXPECT_EQ(check_file_url(url, {.api_is_loopback = true}).has_value(), allowed_from_loopback);
}

INSTANTIATE_TEST_SUITE_P(
    UrlPolicy, FileUrl,
    testing::Values(
        File{"https://file.example/a.mp4?sig=1#t", true, true},
        File{"https://file.example:8443/a.mp4", true, true},
        File{"https://8.8.8.8/a.mp4", true, true}, File{"https://[2606:4700::1]/a.mp4", true, true},
        File{"http://file.example/a.mp4", false, false}, File{"http://8.8.8.8/a.mp4", false, false},
        File{"http://localhost/a.mp4", false, true}, File{"http://127.0.0.1:81/a.mp4", false, true},
        File{"http://[::1]/a.mp4", false, true},
        File{"http://[::ffff:127.0.0.1]/a.mp4", false, true},
        File{"http://files.localhost/a.mp4", false, true},
        File{"https://files.localhost/a.mp4", false, true},
        File{"https://localhost/a.mp4", false, true}, File{"https://127.0.0.1/a.mp4", false, true},
        File{"http://127.0.0.1.evil.com/", false, false}, File{"https://10.1.2.3/", false, false},
        File{"https://169.254.169.254/latest/meta-data", false, false},
        File{"https://0.0.0.0/", false, false}, File{"https://[::]/", false, false},
        File{"https://[fe80::1]/", false, false}, File{"https://[::ffff:10.0.0.1]/", false, false},
        File{"https://[64:ff9b::a00:1]/", false, false}));

TEST(FileUrl, MessagesHoldTheRedactedUrl) {
  const auto refused = check_file_url("http://file.example/a.mp4?sig=geheim", {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message,
            "The video's URL (http://file.example/a.mp4?…) cannot be used: it is not https.");
}

// --- hosts for plain http, and what the user allows ---

TEST(HostList, HasHostsWithAndWithoutPorts) {
  const auto hosts = HostList::parse(
      "allow-http", " simulator , Build.Example:8080,10.0.0.1,[fd00::1]:80,fd00::2");
  ASSERT_TRUE(hosts) << hosts.error().message;
  const auto has = [&](const char* url) { return hosts->contains(*parse_origin(url)); };
  for (const auto* url :
       {"http://simulator", "http://SIMULATOR:8080/v1", "http://build.example:8080",
        "http://10.0.0.1:81", "http://[fd00::1]", "http://[fd00::2]:1234"}) {
    EXPECT_TRUE(has(url)) << url;
  }
  for (const auto* url : {"http://build.example", "http://a.simulator", "http://simulator.evil.com",
                          "http://[fd00::1]:81", "http://10.0.0.2"}) {
    EXPECT_FALSE(has(url)) << url;
  }
  EXPECT_FALSE(HostList().contains(*parse_origin("http://simulator")));
  EXPECT_EQ(*HostList::parse("allow-http", ""), HostList());
}

TEST(HostList, RefusesWhatIsNoHost) {
  for (const auto* text : {"http://simulator", "simulator/v1", "a b", "a,", ",a", "*", "*.example",
                           "a:0", "a:65536", "a:x", "u@a", "a?b", "127.1"}) {
    const auto hosts = HostList::parse("VEO_ALLOW_HTTP", text);
    ASSERT_FALSE(hosts) << text;
    EXPECT_EQ(hosts.error().code, ErrorCode::invalid_request);
    EXPECT_THAT(hosts.error().message, HasSubstr("VEO_ALLOW_HTTP"));
    EXPECT_THAT(hosts.error().message, HasSubstr("simulator,build.example:8080"));
  }
}

TEST(ApiUrl, MayBeHttpForTheHostsOfTheUser) {
  const auto hosts = *HostList::parse("allow-http", "simulator:8080");
  EXPECT_EQ(*check_api_url("http://Simulator:8080/v1/", hosts), "http://simulator:8080/v1");
  EXPECT_FALSE(check_api_url("http://simulator/v1", hosts));
  EXPECT_THAT(check_api_url("http://simulator/v1").error().message, HasSubstr("allow-http"));
  EXPECT_FALSE(check_api_url("http://simulator:8080/v1?x", hosts));

  EXPECT_TRUE(is_plain_http("http://simulator:8080/v1"));
  EXPECT_FALSE(is_plain_http("https://simulator:8080/v1"));
  EXPECT_FALSE(is_plain_http("http://api.localhost/v1"));
  EXPECT_FALSE(is_plain_http("http://127.0.0.1/v1"));
}

TEST(FilePolicy, AllowsTheAddressesOfTheUser) {
  const auto policy = FilePolicy::make("https://api.example/v1", "10.0.0.0/8", "simulator");
  ASSERT_TRUE(policy);
  EXPECT_TRUE(check_file_url("https://10.1.2.3/a.mp4", *policy));
  EXPECT_FALSE(check_file_url("https://192.168.0.1/a.mp4", *policy));
  EXPECT_FALSE(check_file_url("http://10.1.2.3/a.mp4", *policy)) << "the API is https";
  EXPECT_FALSE(check_file_url("http://simulator/a.mp4", *policy)) << "the API is https";
  EXPECT_FALSE(check_file_url("https://127.0.0.1/a.mp4", *policy));
  EXPECT_FALSE(check_file_url("https://localhost/a.mp4", *policy));
  EXPECT_TRUE(is_allowed_address(*parse_address("10.1.2.3"), *policy));
  EXPECT_TRUE(is_allowed_address(*parse_address("8.8.8.8"), *policy));
  EXPECT_FALSE(is_allowed_address(*parse_address("127.0.0.1"), *policy));

  const auto plain = FilePolicy::make("http://simulator/v1", "10.0.0.0/8", "simulator");
  EXPECT_TRUE(check_file_url("http://simulator:81/a.mp4", *plain));
  EXPECT_TRUE(check_file_url("http://10.1.2.3/a.mp4", *plain));
  EXPECT_FALSE(check_file_url("http://other.example/a.mp4", *plain));
  EXPECT_TRUE(check_file_url("https://other.example/a.mp4", *plain));

  const auto loopback = FilePolicy::make("http://127.0.0.1:8080/v1", "", "");
  EXPECT_TRUE(loopback->api_is_loopback);
  EXPECT_TRUE(is_allowed_address(*parse_address("127.0.0.1"), *loopback));
  EXPECT_FALSE(FilePolicy::make("https://api.example/v1", "10.1.1.1/8", ""));
}

TEST(FileUrl, TheRefusalOfAnAddressSaysHowToAllowIt) {
  const auto refused = check_file_url("https://10.1.2.3/a.mp4", {});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("allow-addresses=10.1.2.3/32"));
  EXPECT_EQ(refused.error().remedy, "allow-addresses=10.1.2.3/32");
}

// --- addresses ---

/// Parses the usual form of an address.
std::vector<std::uint8_t> address_bytes_of(const std::string& text) {
  std::array<std::uint8_t, 16> bytes{};
  const bool v6 = text.find(':') != std::string::npos;
  EXPECT_EQ(inet_pton(v6 ? AF_INET6 : AF_INET, text.c_str(), bytes.data()), 1) << text;
  return {bytes.begin(), bytes.begin() + (v6 ? 16 : 4)};
}

// The first and the last address of each block.
constexpr const char* not_public[] = {"0.0.0.0",
                                      "0.255.255.255",
                                      "10.0.0.0",
                                      "10.255.255.255",
                                      "100.64.0.0",
                                      "100.127.255.255",
                                      "127.0.0.0",
                                      "127.0.0.1",
                                      "127.255.255.255",
                                      "169.254.0.0",
                                      "169.254.169.254",
                                      "169.254.255.255",
                                      "172.16.0.0",
                                      "172.31.255.255",
                                      "192.0.0.0",
                                      "192.0.0.255",
                                      "192.0.2.0",
                                      "192.0.2.255",
                                      "192.88.99.0",
                                      "192.88.99.255",
                                      "192.168.0.0",
                                      "192.168.255.255",
                                      "198.18.0.0",
                                      "198.19.255.255",
                                      "198.51.100.0",
                                      "198.51.100.255",
                                      "203.0.113.0",
                                      "203.0.113.255",
                                      "224.0.0.0",
                                      "239.255.255.255",
                                      "240.0.0.0",
                                      "255.255.255.254",
                                      "255.255.255.255",  //
                                      "::",
                                      "::1",
                                      "::2",
                                      "::8.8.8.8",
                                      "::ffff:10.0.0.1",
                                      "::ffff:127.0.0.1",
                                      "::ffff:169.254.1.1",
                                      "::fffe:8.8.8.8",
                                      "64:ff9b::10.0.0.1",
                                      "64:ff9b::127.0.0.1",
                                      "64:ff9b::1:8.8.8.8",
                                      "64:ff9b:1::8.8.8.8",
                                      "100::1",
                                      "1fff:ffff::",
                                      "2001::",
                                      "2001::1",
                                      "2001:2::1",
                                      "2001:10::1",
                                      "2001:20::1",
                                      "2001:1ff:ffff::",
                                      "2001:db8::",
                                      "2001:db8:ffff:ffff::1",
                                      "2002::",
                                      "2002:808:808::1",
                                      "2002:ffff::",
                                      "3fff::",
                                      "3fff:fff:ffff::",
                                      "4000::",
                                      "5f00::1",
                                      "fc00::1",
                                      "fd12:3456::1",
                                      "fe80::1",
                                      "febf::1",
                                      "fec0::1",
                                      "ff02::1",
                                      "ffff::"};
constexpr const char* is_public[] = {"1.0.0.0",         "1.1.1.1",           "8.8.8.8",
                                     "9.255.255.255",   "11.0.0.0",          "100.63.255.255",
                                     "100.128.0.0",     "126.255.255.255",   "128.0.0.0",
                                     "169.253.255.255", "169.255.0.0",       "172.15.255.255",
                                     "172.32.0.0",      "191.255.255.255",   "192.0.1.0",
                                     "192.0.1.255",     "192.0.3.0",         "192.88.98.255",
                                     "192.88.100.0",    "192.167.255.255",   "192.169.0.0",
                                     "198.17.255.255",  "198.20.0.0",        "198.51.99.255",
                                     "198.51.101.0",    "203.0.112.255",     "203.0.114.0",
                                     "223.255.255.255",  //
                                     "::ffff:8.8.8.8",  "::ffff:172.32.0.0", "64:ff9b::8.8.8.8",
                                     "2000::",          "2000:ffff:ffff::",  "2001:200::",
                                     "2001:db7:ffff::", "2001:db9::",        "2001:ffff::",
                                     "2003::",          "2606:4700::1111",   "2a00:1450::1",
                                     "3ffe:ffff::",     "3fff:1000::"};

TEST(Addresses, AreJudgedByIanasRegistries) {
  for (const auto* text : not_public)
    EXPECT_FALSE(is_public_address(address_bytes_of(text))) << text;
  for (const auto* text : is_public) EXPECT_TRUE(is_public_address(address_bytes_of(text))) << text;
}

TEST(Addresses, OfLoopback) {
  for (const auto* text : {"127.0.0.0", "127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1",
                           "::ffff:127.255.0.0"}) {
    EXPECT_TRUE(is_loopback_address(address_bytes_of(text))) << text;
  }
  for (const auto* text : {"126.255.255.255", "128.0.0.0", "0.0.0.0", "10.0.0.1", "::", "::2",
                           "1::1", "::127.0.0.1", "::ffff:128.0.0.1", "64:ff9b::127.0.0.1"}) {
    EXPECT_FALSE(is_loopback_address(address_bytes_of(text))) << text;
  }
}

TEST(Addresses, OfAnotherLengthAreNeither) {
  for (const std::size_t size : {0U, 1U, 3U, 5U, 15U, 17U}) {
    const std::vector<std::uint8_t> bytes(size, 127);
    EXPECT_FALSE(is_public_address(bytes)) << size;
    EXPECT_FALSE(is_loopback_address(bytes)) << size;
  }
}

// --- redaction ---

struct Redaction {
  std::string_view url;
  std::string_view shown;
};

class Redacted : public testing::TestWithParam<Redaction> {};

TEST_P(Redacted, ShowsNoSecret) { EXPECT_EQ(redact_url(GetParam().url), GetParam().shown); }

INSTANTIATE_TEST_SUITE_P(
    UrlPolicy, Redacted,
    testing::Values(
        Redaction{"https://h/a/b.mp4", "https://h/a/b.mp4"},
        Redaction{"https://h:8443/a?sig=1", "https://h:8443/a?…"},
        Redaction{"https://h/a#t=1", "https://h/a?…"},
        Redaction{"https://h/a?b#c", "https://h/a?…"}, Redaction{"https://h?b", "https://h?…"},
        Redaction{"https://h/a?", "https://h/a?…"}, Redaction{"https://u:p@h/a", "https://h/a"},
        Redaction{"https://u@h", "https://h"}, Redaction{"https://h/@user/a", "https://h/@user/a"},
        Redaction{"https://u:p@h/@user?x@y", "https://h/@user?…"},
        Redaction{"https://h/山/a%20b", "https://h/山/a%20b"},
        Redaction{"u:p@proxy:3128", "proxy:3128"},
        // Texts that are not URLs, and URLs with a secret at a place that has no meaning.
        Redaction{{}, ""}, Redaction{"", ""}, Redaction{"nonsense", "nonsense"},
        Redaction{"u:p@h:99999/a?b", "h:99999/a?…"},
        Redaction{"https://h:99999/a?b", "https://h:99999/a?…"},
        Redaction{"https://u:p/x@h/", "https://h/"}, Redaction{"https://u:p\\@h/", "https://h/"},
        Redaction{"https://u:p?x@h/", "…"}, Redaction{"https://u:p#x@h/", "…"},
        Redaction{"https://h:x/a?k=a@b", "…"},
        Redaction{"https://h/a b\r\n\x1b[31m\x7f\0z"sv, "https://h/a b???[31m?\xEF\xBF\xBDz"},
        Redaction{"https://h/\xff", "https://h/\xEF\xBF\xBD"},
        Redaction{"https://h/\xE2\x80\xAE"
                  "4pm.a",
                  "https://h/?4pm.a"},  // right-to-left override
        Redaction{"https://h/\xC2\x9B"
                  "31m",
                  "https://h/?31m"}));  // CSI in one character

TEST(Redacted, IsShort) {
  const std::string url = "https://h/" + std::string(190, 'a');
  EXPECT_EQ(redact_url(url), url);
  EXPECT_EQ(redact_url(url + "b"), url + "…");
  EXPECT_EQ(redact_url(url + "b?c"), url + "…?…");
  // The cut is between two characters.
  EXPECT_EQ(redact_url("https://h/" + std::string(189, 'a') + "é"),
            "https://h/" + std::string(189, 'a') + "…");
  const auto garbage = redact_url(std::string(1'000'000, '\xff'));
  EXPECT_LE(garbage.size(), 203U);
  EXPECT_TRUE(g_utf8_validate_len(garbage.data(), garbage.size(), nullptr));
}

// --- references ---

struct Reference {
  const char* base;
  const char* reference;
  const char* resolved;
};

class Resolved : public testing::TestWithParam<Reference> {};

TEST_P(Resolved, AsRfc3986Says) {
  const auto url = resolve_url(GetParam().base, GetParam().reference);
  ASSERT_TRUE(url) << url.error().message;
  EXPECT_EQ(*url, GetParam().resolved);
}

INSTANTIATE_TEST_SUITE_P(
    UrlPolicy, Resolved,
    testing::Values(Reference{"https://a.b/c/d?x", "e", "https://a.b/c/e"},
                    Reference{"https://a.b/c/d?x", "/e", "https://a.b/e"},
                    Reference{"https://a.b/c/d?x", "?y", "https://a.b/c/d?y"},
                    Reference{"https://a.b/c/d?x", "", "https://a.b/c/d?x"},
                    Reference{"https://a.b/c/d", "../e%2f?y=%26", "https://a.b/e%2F?y=%26"},
                    Reference{"https://a.b/c/d", "../../../e", "https://a.b/e"},
                    Reference{"https://a.b:8443/c", "d", "https://a.b:8443/d"},
                    Reference{"https://a.b/c", "//x.y/z", "https://x.y/z"},
                    Reference{"https://a.b/c", "http://x/", "http://x/"},
                    Reference{"https://a.b/c", "file:///etc/passwd", "file:///etc/passwd"},
                    Reference{"http://[::1]:8080/c", "d", "http://[::1]:8080/d"}));

TEST(Resolved, ToNothingWhereEitherIsInvalid) {
  for (const auto& [base, reference] :
       {std::pair{"https://h/"sv, "/%zz"sv}, std::pair{"https://h/"sv, "/a b"sv},
        std::pair{"https://h/"sv, "/\r\nx"sv}, std::pair{"https://h/"sv, "\\\\x\\y"sv},
        std::pair{"https://h/"sv, "/\0"sv}, std::pair{"https://h/"sv, "//h:99999/"sv},
        std::pair{"h"sv, "/a"sv}, std::pair{""sv, ""sv}, std::pair{"https://h/ "sv, "/a"sv}}) {
    const auto url = resolve_url(base, reference);
    ASSERT_FALSE(url) << *url;
    EXPECT_EQ(url.error().code, ErrorCode::bad_response);
  }
}

}  // namespace
}  // namespace veo
