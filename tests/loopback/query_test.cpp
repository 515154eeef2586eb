// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Tests GET requests to the API, and how transports share connections.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <latch>

#include "at_start.h"
#include "client.h"
#include "raw_server.h"

namespace veo::test {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

/// Gives the same answer to each request of a connection.
RawServer::Script keeps_answering(std::string answer) {
  return [answer = std::move(answer)](RawConnection& connection) {
    while (!connection.read_request().empty()) connection.write(answer);
  };
}

TEST(Query, CarriesTheKeyAndBringsTheCompleteAnswer) {
  const RawServer server(keeps_answering(http_answer("200 OK", R"({"id":"t"})")));
  Client client;
  const auto answer = client.call(get(server.url("/v1/tasks/t")));
  EXPECT_TRUE(answer.evidence.complete);
  EXPECT_EQ(answer.evidence.status, 200U);
  EXPECT_FALSE(answer.evidence.failure);
  EXPECT_EQ(answer.body, R"({"id":"t"})");
  ASSERT_EQ(server.requests().size(), 1U);
  EXPECT_TRUE(server.requests().front().starts_with("GET /v1/tasks/t HTTP/1.1\r\n"));
  EXPECT_EQ(header_value(server.requests().front(), "authorization"),
            "Bearer " + std::string(key_text));
}

// A service may quote the request in its error. Messages, the log and the ledger repeat its words.
TEST(Query, ErasesTheKeyFromAnAnswerThatQuotesIt) {
  const std::string key(key_text);
  const RawServer server(keeps_answering(http_answer(
      "401 Unauthorized", R"({"message":"Bad Bearer )" + key + R"(, again )" + key + R"("})")));
  Client client;
  const auto answer = client.call(get(server.url("/")));
  const std::string stars(key.size(), '*');
  EXPECT_EQ(answer.body, R"({"message":"Bad Bearer )" + stars + R"(, again )" + stars + R"("})");
}

// libsoup drops a header that it cannot send, and sends the rest.
TEST(Query, SendsNothingWithoutItsAuthorization) {
  const RawServer server(keeps_answering(http_answer("200 OK", "{}")));
  Client client;
  for (const auto* const method : {"GET", "POST"}) {
    auto call = get(server.url("/"));
    call.method = method;
    call.key = Secret(std::string("sk-a\r\nX-Injected: b"));
    const auto answer = client.call(call);
    ASSERT_TRUE(answer.evidence.failure) << method;
    EXPECT_EQ(answer.evidence.failure->code, ErrorCode::invalid_api_key);
    EXPECT_FALSE(answer.evidence.begun);
  }
  EXPECT_EQ(server.requests().size(), 0U);
}

TEST(Query, DoesNotFollowRedirects) {
  const RawServer server(
      keeps_answering(http_answer("302 Found", "", "Location: http://127.0.0.1:1/\r\n")));
  Client client;
  const auto answer = client.call(get(server.url("/")));
  EXPECT_EQ(answer.evidence.status, 302U);
  EXPECT_TRUE(answer.evidence.complete);
  EXPECT_EQ(server.requests().size(), 1U);
}

TEST(Query, RefusesMoreThanOneMebibyteHoweverItComes) {
  // libsoup would read all of the body of a 401.
  for (const auto* status : {"200 OK", "401 Unauthorized"}) {
    std::atomic<std::size_t> written = 0;
    const RawServer server([&](RawConnection& connection) {
      connection.read_request();
      connection.write("HTTP/1.1 " + std::string(status) +
                       "\r\nTransfer-Encoding: chunked\r\n\r\n");
      const auto chunk = "10000\r\n" + std::string(0x10000, ' ') + "\r\n";
      while (written < 256U << 20U && connection.write(chunk)) written += 0x10000;
    });
    Client client;
    const auto evidence = client.call(get(server.url("/"))).evidence;
    ASSERT_TRUE(evidence.failure) << status;
    EXPECT_EQ(evidence.failure->code, ErrorCode::bad_response) << status;
    EXPECT_LT(written, 64U << 20U) << status;
  }
}

TEST(Query, ResolvesARetryAfterDate) {
  const RawServer server([](RawConnection& connection) {
    connection.read_request();
    const std::unique_ptr<GDateTime, decltype(&g_date_time_unref)> now(g_date_time_new_now_utc(),
                                                                       g_date_time_unref);
    const std::unique_ptr<GDateTime, decltype(&g_date_time_unref)> then(
        g_date_time_add_seconds(now.get(), 100), g_date_time_unref);
    const std::unique_ptr<char, decltype(&g_free)> text(
        g_date_time_format(then.get(), "%a, %d %b %Y %H:%M:%S GMT"), g_free);
    connection.write(http_answer("503 Service Unavailable", "",
                                 "Retry-After: " + std::string(text.get()) + "\r\n"));
  });
  Client client;
  const auto after = client.call(get(server.url("/"))).evidence.retry_after;
  ASSERT_TRUE(after);
  EXPECT_GE(*after, 90s);
  EXPECT_LE(*after, 101s);
}

// The clock of this machine may be ten years ahead or back.
TEST(Query, ReadsTheDateOfRetryAfterByTheServersClock) {
  for (const std::string year : {"1994", "2094"}) {
    const RawServer server(keeps_answering(
        http_answer("503 Service Unavailable", "",
                    "Date: Sun, 06 Nov " + year + " 08:49:30 GMT\r\nRetry-After: Sun, 06 Nov " +
                        year + " 08:49:37 GMT\r\n")));
    Client client;
    EXPECT_EQ(client.call(get(server.url("/"))).evidence.retry_after, 7s) << year;
  }
}

TEST(Query, TakesARetryAfterInThePastForNow) {
  const RawServer server(keeps_answering(http_answer(
      "503 Service Unavailable", "", "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n")));
  Client client;
  EXPECT_EQ(client.call(get(server.url("/"))).evidence.retry_after, 0s);
}

TEST(Query, IgnoresAnInvalidRetryAfter) {
  const RawServer server(
      keeps_answering(http_answer("503 Service Unavailable", "", "Retry-After: soon\r\n")));
  Client client;
  EXPECT_EQ(client.call(get(server.url("/"))).evidence.retry_after, std::nullopt);
}

TEST(Query, EndsByItsIdleDeadline) {
  for (const std::string_view beginning : {"", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"}) {
    const RawServer server([&](RawConnection& connection) {
      connection.read_request();
      connection.write(beginning);
      connection.read_to_end();
    });
    Client client;
    auto call = get(server.url("/"));
    call.idle_timeout = 50ms;
    const auto evidence = client.call(call).evidence;
    ASSERT_TRUE(evidence.failure);
    EXPECT_EQ(evidence.failure->code, ErrorCode::timeout);
    EXPECT_EQ(evidence.got_head, !beginning.empty());
    EXPECT_FALSE(evidence.complete);
  }
}

TEST(Query, EndsByItsTotalDeadlineHoweverBusy) {
  const RawServer dripping([](RawConnection& connection) {
    connection.read_request();
    connection.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
    while (connection.write(" ")) std::this_thread::sleep_for(5ms);
  });
  Client client;
  auto call = get(dripping.url("/"));
  call.idle_timeout = 10s;
  call.total_timeout = 200ms;
  const auto evidence = client.call(call).evidence;
  ASSERT_TRUE(evidence.failure);
  EXPECT_EQ(evidence.failure->code, ErrorCode::timeout);
}

TEST(Query, UsesAConnectionAgain) {
  const RawServer server(keeps_answering(http_answer("200 OK", "{}")));
  Client client;
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(client.call(get(server.url("/"))).evidence.complete);
  EXPECT_EQ(server.connections(), 1U);
}

TEST(Query, SurvivesAConnectionThatWentStale) {
  // The server closes the first connection when a second request arrives on it.
  const RawServer server([](RawConnection& connection) {
    connection.read_request();
    connection.write(http_answer("200 OK", "{}"));
    connection.read_request();
    if (connection.index() > 0) connection.write(http_answer("200 OK", "{}"));
  });
  Client client;
  EXPECT_TRUE(client.call(get(server.url("/1"))).evidence.complete);
  EXPECT_TRUE(client.call(get(server.url("/2"))).evidence.complete);
  EXPECT_EQ(server.connections(), 2U);
}

// The host drops a connection just when it is used again, while the other connection is idle.
// libsoup sends the GET again, over a new connection: over the idle one, libsoup 3.6.5 would end
// the message twice, which is a CRITICAL. The tests run with G_DEBUG=fatal-criticals.
TEST(Query, IsSentAgainOverANewConnection) {
  // Either connection may be the one that is used again.
  for (const unsigned dropped_index : {0U, 1U}) {
    std::latch both_asked(2);
    Event drop;
    Event dropped;
    const RawServer server([&](RawConnection& connection) {
      connection.read_request();
      if (connection.index() < 2) both_asked.arrive_and_wait();
      connection.write(http_answer("200 OK", "{}"));
      if (connection.index() == dropped_index) {
        EXPECT_TRUE(drop.wait());
        connection.reset();
        dropped.set();
      }
      while (!connection.read_request().empty()) connection.write(http_answer("200 OK", "{}"));
    });
    Client client;
    std::promise<void> ended[2];
    http::Transport::Exchange first[2];
    client.on_thread([&] {
      for (int i : {0, 1}) {
        first[i] = client.transport()->call(
            get(server.url("/")), [&ended, i](const http::ApiAnswer&) { ended[i].set_value(); });
      }
    });
    for (auto& one : ended) one.get_future().wait();
    // The first start is that of the connection that libsoup has chosen. If libsoup has chosen the
    // other one, nothing is dropped while it is used.
    AtStart::get().call([&] {
      drop.set();
      EXPECT_TRUE(dropped.wait());
    });
    EXPECT_TRUE(client.call(get(server.url("/"))).evidence.complete);
    EXPECT_THAT(server.connections(), AnyOf(2U, 3U));
    client.on_thread([&] {
      for (auto& one : first) one = {};
    });
  }
}

TEST(Query, KeepsNoCookies) {
  const RawServer server(
      keeps_answering(http_answer("200 OK", "{}", "Set-Cookie: a=b; Path=/\r\n")));
  Client client;
  client.call(get(server.url("/")));
  client.call(get(server.url("/")));
  ASSERT_EQ(server.requests().size(), 2U);
  EXPECT_EQ(header_value(server.requests().back(), "cookie"), "");
}

TEST(Query, ManyAtOnceNeedFewConnections) {
  constexpr int queries = 200;
  const RawServer server(keeps_answering(http_answer("200 OK", "{}")));
  Client client;
  std::latch answered(queries);
  std::atomic<int> whole = 0;
  std::vector<http::Transport::Exchange> exchanges;
  client.on_thread([&] {
    for (int i = 0; i < queries; ++i) {
      exchanges.push_back(
          client.transport()->call(get(server.url("/")), [&](const http::ApiAnswer& answer) {
            if (answer.evidence.complete) ++whole;
            answered.count_down();
          }));
    }
  });
  answered.wait();
  client.on_thread([&] { exchanges.clear(); });
  EXPECT_EQ(whole, queries);
  EXPECT_EQ(server.requests().size(), static_cast<std::size_t>(queries));
  EXPECT_LE(server.connections(), 8U);
}

// libsoup ignores a queued message until the message gets a connection.
TEST(Query, EndsByItsDeadlineInTheQueue) {
  constexpr int queries = 40;
  const RawServer silent([](RawConnection& connection) { connection.read_to_end(); });
  Client client;
  std::latch answered(queries);
  std::atomic<int> timeouts = 0;
  std::vector<http::Transport::Exchange> exchanges;
  client.on_thread([&] {
    for (int i = 0; i < queries; ++i) {
      auto call = get(silent.url("/"));
      // The first queries keep their connections longer than the others may wait.
      call.idle_timeout = i < 20 ? 500ms : 50ms;
      exchanges.push_back(
          client.transport()->call(std::move(call), [&](const http::ApiAnswer& answer) {
            if (answer.evidence.failure && answer.evidence.failure->code == ErrorCode::timeout) {
              ++timeouts;
            }
            answered.count_down();
          }));
    }
  });
  answered.wait();
  client.on_thread([&] { exchanges.clear(); });
  EXPECT_EQ(timeouts, queries);
}

TEST(Transport, IsSharedByEqualSettings) {
  Client first;
  Client second;
  Client other({.proxy = "", .ssl_ca_file = "", .tls_database = {}, .user_agent = "x/1"});
  EXPECT_EQ(first.transport(), second.transport());
  EXPECT_NE(first.transport(), other.transport());
}

TEST(Transport, SendsTheUserAgentItIsGiven) {
  const RawServer server(keeps_answering(http_answer("200 OK", "{}")));
  Client client({.proxy = "", .ssl_ca_file = "", .tls_database = {}, .user_agent = "x/1"});
  client.call(get(server.url("/")));
  ASSERT_EQ(server.requests().size(), 1U);
  EXPECT_EQ(header_value(server.requests().front(), "user-agent"), "x/1");
}

TEST(Transport, RefusesSettingsThatCannotWork) {
  const struct {
    http::Network network;
    ErrorCode code;
    const char* named;
  } cases[] = {
      {{"no uri", "", {}, ""}, ErrorCode::invalid_request, "proxy"},
      {{"http:", "", {}, ""}, ErrorCode::invalid_request, "proxy"},
      {{"", "/nonexistent/ca.pem", {}, ""}, ErrorCode::tls, "/nonexistent/ca.pem"},
      {{"", "", {}, "a\r\nX-Evil: y"}, ErrorCode::invalid_request, "user-agent"},
  };
  Client client;
  for (const auto& [network, code, named] : cases) {
    client.on_thread([&, &network = network, code = code, named = named] {
      const auto opened = http::Transport::open(client.thread(), network);
      ASSERT_FALSE(opened);
      EXPECT_EQ(opened.error().code, code);
      EXPECT_THAT(opened.error().message, HasSubstr(named));
    });
  }
}

}  // namespace
}  // namespace veo::test
