// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Downloads from well-behaved and from misbehaving hosts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client.h"
#include "raw_server.h"
#include "resolver.h"

namespace veo::test {
namespace {

using http::ByteRange;
using ::testing::HasSubstr;
using ::testing::Not;

http::FileFetch part(std::string url, std::uint64_t first, std::optional<std::uint64_t> last = {},
                     std::optional<std::string> if_range = {}) {
  auto fetch = file(std::move(url));
  fetch.range = ByteRange{.first = first, .last = last};
  fetch.if_range = std::move(if_range);
  return fetch;
}

TEST(FileFetch, BringsEveryByteInOrder) {
  std::string content;
  for (std::uint32_t i = 0; content.size() < 5'000'000; ++i) content += std::to_string(i) + ' ';
  const RawServer server(answers(http_answer(
      "200 OK", content, "Content-Type: video/mp4\r\nAccept-Ranges: bytes\r\nETag: \"v1\"\r\n")));
  Client client;
  const auto fetched = client.fetch(file(server.url("/clip.mp4?token=1")));
  EXPECT_FALSE(fetched.failure);
  EXPECT_TRUE(fetched.body == content);
  ASSERT_TRUE(fetched.head);
  EXPECT_EQ(fetched.head->status, 200U);
  EXPECT_EQ(fetched.head->content_length, content.size());
  EXPECT_EQ(fetched.head->content_range, std::nullopt);
  EXPECT_EQ(fetched.head->total, std::nullopt);
  EXPECT_TRUE(fetched.head->accepts_ranges);
  EXPECT_EQ(fetched.head->content_type, "video/mp4");
  EXPECT_EQ(fetched.head->strong_validator, "\"v1\"");

  const auto request = server.requests().at(0);
  EXPECT_TRUE(request.starts_with("GET /clip.mp4?token=1 HTTP/1.1\r\n")) << request;
  EXPECT_EQ(header_value(request, "authorization"), "");
  EXPECT_EQ(header_value(request, "accept-encoding"), "identity");
  EXPECT_EQ(header_value(request, "range"), "");
  EXPECT_EQ(header_value(request, "if-range"), "");
}

// libsoup's reader of chunked bodies needs more room than one byte, and would report a CRITICAL.
TEST(FileFetch, BringsEveryByteIntoRoomsOfOneByte) {
  const std::string content = "nothing is too small to be read";
  const RawServer server(answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
                                 std::string("1f\r\n") + content + "\r\n0\r\n\r\n"));
  Client client;
  std::string body;
  std::uint8_t byte = 0;
  Event ended;
  std::optional<Error> failure;
  auto exchange = client.on_thread([&] {
    return client.transport()->fetch(
        file(server.url("/clip.mp4")),
        {.head = [](const http::FileHead&) { return true; },
         .room =
             [&] {
               return http::Room{.owner = nullptr, .bytes = {&byte, 1}};
             },
         .data =
             [&](std::span<const std::uint8_t> bytes) { body.append(bytes.begin(), bytes.end()); },
         .end =
             [&](std::optional<Error> why) {
               failure = std::move(why);
               ended.set();
             }});
  });
  EXPECT_TRUE(ended.wait());
  client.on_thread([&] { exchange = {}; });
  EXPECT_FALSE(failure);
  EXPECT_EQ(body, content);
}

TEST(FileFetch, AsksForARange) {
  const struct {
    std::uint64_t first;
    std::optional<std::uint64_t> last;
    const char* sent;
  } cases[] = {{0, {}, "bytes=0-"}, {5, {}, "bytes=5-"}, {5, 9, "bytes=5-9"}, {0, 0, "bytes=0-0"}};
  for (const auto& [first, last, sent] : cases) {
    const RawServer server(answers(http_answer("416 Range Not Satisfiable", "")));
    Client client;
    client.fetch(part(server.url("/"), first, last, "\"v1\""));
    ASSERT_EQ(server.requests().size(), 1U);
    EXPECT_EQ(header_value(server.requests().front(), "range"), sent);
    EXPECT_EQ(header_value(server.requests().front(), "if-range"), "\"v1\"");
  }
}

TEST(FileFetch, ReadsAPart) {
  const RawServer server(
      answers(http_answer("206 Partial Content", "56789", "Content-Range: bytes 5-9/100\r\n")));
  Client client;
  const auto fetched = client.fetch(part(server.url("/"), 5, 9));
  EXPECT_FALSE(fetched.failure);
  EXPECT_EQ(fetched.body, "56789");
  ASSERT_TRUE(fetched.head);
  EXPECT_EQ(fetched.head->status, 206U);
  EXPECT_EQ(fetched.head->content_range, (ByteRange{.first = 5, .last = 9}));
  EXPECT_EQ(fetched.head->total, 100U);
}

TEST(FileFetch, ReadsAPartOfAFileOfUnknownSize) {
  const RawServer server(
      answers(http_answer("206 Partial Content", "56789", "Content-Range: bytes 5-9/*\r\n")));
  Client client;
  const auto fetched = client.fetch(part(server.url("/"), 5));
  EXPECT_FALSE(fetched.failure);
  EXPECT_EQ(fetched.head->total, std::nullopt);
}

TEST(FileFetch, ReadsTheTotalOfARefusedRange) {
  const RawServer server(
      answers(http_answer("416 Range Not Satisfiable", "x", "Content-Range: bytes */100\r\n")));
  Client client;
  const auto fetched = client.fetch(part(server.url("/"), 500));
  ASSERT_TRUE(fetched.head);
  EXPECT_EQ(fetched.head->status, 416U);
  EXPECT_EQ(fetched.head->total, 100U);
  EXPECT_EQ(fetched.head->content_range, std::nullopt);
  EXPECT_EQ(fetched.code(), ErrorCode::bad_response);
  EXPECT_EQ(fetched.body, "");
}

struct Wrong {
  const char* name;
  std::string answer;
  std::optional<ErrorCode> code;
  bool head_seen;
  std::string body = {};
};
void PrintTo(const Wrong& wrong, std::ostream* out) { *out << wrong.name; }

std::string partial(const std::string& headers) {
  return http_answer("206 Partial Content", "56789", headers);
}

const Wrong wrongs[] = {
    {"part_of_what", partial(""), ErrorCode::bad_response, false},
    {"part_without_unit", partial("Content-Range: 5-9/100\r\n"), ErrorCode::bad_response, false},
    {"part_of_lines", partial("Content-Range: lines 5-9/100\r\n"), ErrorCode::bad_response, false},
    {"part_without_total", partial("Content-Range: bytes 5-9\r\n"), ErrorCode::bad_response, false},
    {"part_backwards", partial("Content-Range: bytes 9-5/100\r\n"), ErrorCode::bad_response, false},
    {"part_beyond_the_end", partial("Content-Range: bytes 5-9/9\r\n"), ErrorCode::bad_response,
     false},
    {"part_negative", partial("Content-Range: bytes -5-9/100\r\n"), ErrorCode::bad_response, false},
    {"part_overflowing", partial("Content-Range: bytes 5-99999999999999999999/*\r\n"),
     ErrorCode::bad_response, false},
    {"parts",
     partial("Content-Type: multipart/byteranges; boundary=x\r\nContent-Range: bytes 5-9/100\r\n"),
     ErrorCode::bad_response, false},
    {"part_too_short", partial("Content-Range: bytes 5-14/100\r\n"), ErrorCode::network, true,
     "56789"},
    {"part_too_long", partial("Content-Range: bytes 5-8/100\r\n"), ErrorCode::bad_response, true},
    {"coded", http_answer("200 OK", "x", "Content-Encoding: gzip\r\n"), ErrorCode::bad_response,
     false},
    {"coded_twice", http_answer("200 OK", "x", "Content-Encoding: identity, br\r\n"),
     ErrorCode::bad_response, false},
    {"cut", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n01234", ErrorCode::network, true, "01234"},
    {"cut_in_a_chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n01234",
     ErrorCode::network, true, "01234"},
    {"cut_before_the_head", "", ErrorCode::network, false},
    {"forbidden", http_answer("403 Forbidden", "no"), ErrorCode::bad_response, true},
    {"challenged", http_answer("401 Unauthorized", "no", "WWW-Authenticate: Basic realm=\"x\"\r\n"),
     ErrorCode::bad_response, true},
    {"misdirected", http_answer("421 Misdirected Request", "no"), ErrorCode::network, false},
    {"redirected_nowhere", http_answer("302 Found", ""), ErrorCode::bad_response, false},
    {"redirected_to_plain_http", http_answer("302 Found", "", "Location: http://example.org/\r\n"),
     ErrorCode::bad_response, false},
    {"redirected_inside", http_answer("302 Found", "", "Location: https://10.0.0.1/\r\n"),
     ErrorCode::bad_response, false},
    {"redirected_to_metadata",
     http_answer("302 Found", "", "Location: https://169.254.169.254/\r\n"),
     ErrorCode::bad_response, false},
    {"redirected_with_a_name", http_answer("302 Found", "", "Location: https://a:b@c.example/\r\n"),
     ErrorCode::bad_response, false},
    {"redirected_to_a_file", http_answer("302 Found", "", "Location: file:///etc/passwd\r\n"),
     ErrorCode::bad_response, false},
    {"redirected_to_ftp", http_answer("302 Found", "", "Location: ftp://c.example/\r\n"),
     ErrorCode::bad_response, false},
    // These answers are correct, or so odd that the fetch cannot see that they are wrong.
    {"identity", http_answer("200 OK", "x", "Content-Encoding: Identity\r\n"), {}, true, "x"},
    {"chunked",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n01\r\n1\r\n2\r\n0\r\n\r\n",
     {},
     true,
     "012"},
    {"up_to_the_end", "HTTP/1.1 200 OK\r\n\r\n012", {}, true, "012"},
    {"cut_between_chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n01\r\n",
     cut_chunks, true, "01"},
    {"empty", http_answer("200 OK", ""), {}, true},
};

class FileFetchEnds : public ::testing::TestWithParam<Wrong> {};

TEST_P(FileFetchEnds, AsItShould) {
  const auto& expected = GetParam();
  const RawServer server(answers(expected.answer));
  Client client;
  const auto fetched = client.fetch(part(server.url("/clip.mp4?token=secret"), 5));
  EXPECT_EQ(fetched.code(), expected.code);
  EXPECT_EQ(fetched.head.has_value(), expected.head_seen);
  EXPECT_EQ(fetched.body, expected.body);
  EXPECT_EQ(server.requests().size(), 1U);
  if (fetched.failure) {
    EXPECT_THAT(fetched.failure->message, Not(HasSubstr("secret")));
  }
}

INSTANTIATE_TEST_SUITE_P(Each, FileFetchEnds, ::testing::ValuesIn(wrongs),
                         [](const auto& test) { return test.param.name; });

TEST(FileFetch, SaysHowMuchOfItCame) {
  const RawServer server(answers("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n01234"));
  Client client;
  const auto fetched = client.fetch(file(server.url("/")));
  ASSERT_TRUE(fetched.failure);
  EXPECT_THAT(fetched.failure->message, HasSubstr("ended after 5 of 9 bytes"));
}

TEST(FileFetch, EndsByItsIdleDeadline) {
  for (const std::string_view beginning : {"", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n0"}) {
    const RawServer server([&](RawConnection& connection) {
      connection.read_request();
      connection.write(beginning);
      connection.read_to_end();
    });
    Client client;
    auto fetch = file(server.url("/"));
    fetch.idle_timeout = 500ms;
    const auto fetched = client.fetch(fetch);
    EXPECT_EQ(fetched.code(), ErrorCode::timeout);
    EXPECT_EQ(fetched.head.has_value(), !beginning.empty());
  }
}

struct Validator {
  const char* headers;
  const char* strong;
};

class FileFetchValidator : public ::testing::TestWithParam<Validator> {};

TEST_P(FileFetchValidator, IsStrongOrNone) {
  const RawServer server(answers(http_answer("200 OK", "x", GetParam().headers)));
  Client client;
  const auto fetched = client.fetch(file(server.url("/")));
  ASSERT_TRUE(fetched.head);
  EXPECT_EQ(fetched.head->strong_validator, GetParam().strong);
}

constexpr const char* modified = "Tue, 15 Nov 1994 12:45:26 GMT";

INSTANTIATE_TEST_SUITE_P(
    Each, FileFetchValidator,
    ::testing::Values(
        Validator{"", ""}, Validator{"ETag: \"a\"\r\n", "\"a\""},
        Validator{"ETag: \"\"\r\n", "\"\""}, Validator{"ETag: W/\"a\"\r\n", ""},
        Validator{"ETag: a\r\n", ""}, Validator{"ETag: \"\r\n", ""},
        // A weak tag means that the date is no strong validator either.
        Validator{"ETag: W/\"a\"\r\nLast-Modified: Tue, 15 Nov 1994 12:45:26 GMT\r\n"
                  "Date: Tue, 15 Nov 1994 12:45:30 GMT\r\n",
                  ""},
        Validator{"Last-Modified: Tue, 15 Nov 1994 12:45:26 GMT\r\n", ""},
        Validator{"Last-Modified: Tue, 15 Nov 1994 12:45:26 GMT\r\n"
                  "Date: Tue, 15 Nov 1994 12:45:26 GMT\r\n",
                  ""},
        Validator{"Last-Modified: Tue, 15 Nov 1994 12:45:26 GMT\r\n"
                  "Date: Tue, 15 Nov 1994 12:45:27 GMT\r\n",
                  modified},
        Validator{"Last-Modified: yesterday\r\nDate: Tue, 15 Nov 1994 12:45:27 GMT\r\n", ""}));

class FileFetchRedirect : public ::testing::TestWithParam<const char*> {};

TEST_P(FileFetchRedirect, IsFollowedWithTheRangeAndWithoutTheKey) {
  const RawServer target(
      answers(http_answer("206 Partial Content", "56789", "Content-Range: bytes 5-9/10\r\n")));
  const RawServer first(answers(
      http_answer(GetParam(), "moved", "Location: " + target.url("/b.mp4?sig=1") + "\r\n")));
  Client client;
  const auto fetched = client.fetch(part(first.url("/a.mp4"), 5, {}, "\"v1\""));
  EXPECT_FALSE(fetched.failure);
  EXPECT_EQ(fetched.body, "56789");
  ASSERT_TRUE(fetched.head);
  EXPECT_EQ(fetched.head->status, 206U);
  ASSERT_EQ(target.requests().size(), 1U);
  const auto request = target.requests().front();
  EXPECT_TRUE(request.starts_with("GET /b.mp4?sig=1 HTTP/1.1\r\n")) << request;
  EXPECT_EQ(header_value(request, "range"), "bytes=5-");
  EXPECT_EQ(header_value(request, "if-range"), "\"v1\"");
  EXPECT_EQ(header_value(request, "authorization"), "");
  EXPECT_EQ(header_value(request, "referer"), "");
}

INSTANTIATE_TEST_SUITE_P(Each, FileFetchRedirect,
                         ::testing::Values("301 Moved Permanently", "302 Found", "303 See Other",
                                           "307 Temporary Redirect", "308 Permanent Redirect"));

TEST(FileFetch, ResolvesARelativeRedirect) {
  const RawServer server([](RawConnection& connection) {
    const auto request = connection.read_request();
    connection.write(request.starts_with("GET /a/b/c ")
                         ? http_answer("302 Found", "", "Location: ../d\r\nConnection: close\r\n")
                         : http_answer("200 OK", "x", "Connection: close\r\n"));
  });
  Client client;
  EXPECT_EQ(client.fetch(file(server.url("/a/b/c"))).body, "x");
  ASSERT_EQ(server.requests().size(), 2U);
  EXPECT_TRUE(server.requests().back().starts_with("GET /a/d HTTP/1.1\r\n"));
}

TEST(FileFetch, DoesNotWaitForTheBodyOfARedirect) {
  const RawServer target(answers(http_answer("200 OK", "x")));
  const RawServer first([&](RawConnection& connection) {
    connection.read_request();
    connection.write("HTTP/1.1 302 Found\r\nContent-Length: 1000000\r\nLocation: " +
                     target.url("/") + "\r\n\r\n");
    connection.read_to_end();
  });
  Client client;
  EXPECT_EQ(client.fetch(file(first.url("/"))).body, "x");
}

TEST(FileFetch, FollowsFiveRedirectsAndNoMore) {
  for (const auto hops : {5, 6}) {
    const RawServer server([&](RawConnection& connection) {
      const auto request = connection.read_request();
      const auto hop = std::stoi(request.substr(5));
      connection.write(hop == hops ? http_answer("200 OK", "x", "Connection: close\r\n")
                                   : http_answer("302 Found", "",
                                                 "Connection: close\r\nLocation: /" +
                                                     std::to_string(hop + 1) + "\r\n"));
    });
    Client client;
    const auto fetched = client.fetch(file(server.url("/0")));
    EXPECT_EQ(server.requests().size(), 6U);
    EXPECT_EQ(fetched.code(), hops == 5 ? std::nullopt : std::optional(ErrorCode::bad_response));
  }
}

TEST(FileFetch, RefusesLoopbackUnlessTheApiIsOnLoopback) {
  const RawServer server(answers(http_answer("200 OK", "x")));
  Client client;
  for (const auto* scheme : {"http", "https"}) {
    auto fetch = file(server.url("/", scheme));
    fetch.policy.api_is_loopback = false;
    EXPECT_EQ(client.fetch(fetch).code(), ErrorCode::bad_response);
  }
  EXPECT_EQ(server.connections(), 0U);
}

// The address behind the name decides, not the name. The fetch sends nothing to a private address,
// not even TLS's first message, which would disclose the name.
TEST(FileFetch, RefusesANameOfAPrivateAddress) {
  std::promise<std::string> heard;
  const RawServer inside(
      [&](RawConnection& connection) { heard.set_value(connection.read_to_end()); });
  const Resolver resolver("files.example", {"127.0.0.1"});
  Client client;
  auto fetch = file("https://files.example:" + std::to_string(inside.port()) + "/clip.mp4");
  fetch.policy.api_is_loopback = false;
  const auto fetched = client.fetch(fetch);
  EXPECT_EQ(fetched.code(), ErrorCode::bad_response);
  EXPECT_THAT(fetched.failure->message, HasSubstr("not public"));
  EXPECT_EQ(heard.get_future().get(), "");
}

// The same check applies to an open connection that a fetch with other rules has made.
TEST(FileFetch, RefusesAConnectionThatWasMadeUnderOtherRules) {
  const TlsIdentity identity("files.example");
  const RawServer inside([&](RawConnection& connection) {
    if (!connection.start_tls(identity.certificate())) return;
    while (!connection.read_request().empty()) connection.write(http_answer("200 OK", "x"));
  });
  const Resolver resolver("files.example", {"127.0.0.1"});
  Client client(
      {.proxy = "", .ssl_ca_file = identity.file(), .tls_database = {}, .user_agent = ""});
  auto fetch = file("https://files.example:" + std::to_string(inside.port()) + "/clip.mp4");
  EXPECT_EQ(client.fetch(fetch).body, "x");
  fetch.policy.api_is_loopback = false;
  EXPECT_EQ(client.fetch(fetch).code(), ErrorCode::bad_response);
  EXPECT_EQ(inside.requests().size(), 1U);
  EXPECT_EQ(inside.connections(), 1U);
}

TEST(FileFetch, TakesTheAddressesThatTheUserAllows) {
  const TlsIdentity identity("files.example");
  const RawServer inside([&](RawConnection& connection) {
    if (!connection.start_tls(identity.certificate())) return;
    while (!connection.read_request().empty()) connection.write(http_answer("200 OK", "x"));
  });
  const Resolver resolver("files.example", {"127.0.0.1"});
  Client client(
      {.proxy = "", .ssl_ca_file = identity.file(), .tls_database = {}, .user_agent = ""});
  auto fetch = file("https://files.example:" + std::to_string(inside.port()) + "/clip.mp4");
  fetch.policy = *FilePolicy::make("https://api.example", "10.0.0.0/8", "");
  const auto refused = client.fetch(fetch);
  ASSERT_TRUE(refused.failure);
  EXPECT_THAT(refused.failure->message, HasSubstr("127.0.0.1"));
  EXPECT_EQ(refused.failure->remedy, "allow-addresses=127.0.0.1/32");
  EXPECT_TRUE(inside.requests().empty());
  fetch.policy = *FilePolicy::make("https://api.example", "127.0.0.1/32", "");
  EXPECT_EQ(client.fetch(fetch).body, "x");
}

}  // namespace
}  // namespace veo::test
