// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Deadlines never beat data. The I/O thread is blocked beyond a deadline, as a stopped process is,
// while the server answers. The answer must be read before the deadline is judged.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client.h"
#include "raw_server.h"

namespace veo::test {
namespace {

constexpr auto deadline = 200ms;

/// Blocks the I/O thread until `done`, and for `time` at least.
void block(const Client& client, std::chrono::milliseconds time, Event& blocked,
           const Event& done) {
  client.thread()->post([time, &blocked, &done] {
    const auto until = std::chrono::steady_clock::now() + time;
    blocked.set();
    EXPECT_TRUE(done.wait());
    std::this_thread::sleep_until(until);  // the time itself is what the test is about
  });
}

struct Case {
  const char* name;
  const char* scheme;
  std::chrono::milliseconds blocked_for;
};
void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

/// A server that answers while the client's I/O thread is blocked.
class DeadlineTest : public ::testing::TestWithParam<Case> {
 protected:
  [[nodiscard]] std::string url() const { return server_.url("/x", GetParam().scheme); }
  [[nodiscard]] http::Network network() const {
    return {.proxy = "", .ssl_ca_file = identity_.file(), .tls_database = {}, .user_agent = ""};
  }
  void block_while_it_answers(const Client& client) {
    ASSERT_TRUE(asked_.wait());
    block(client, GetParam().blocked_for, blocked_, answered_);
  }

  const TlsIdentity identity_{"127.0.0.1"};
  Event asked_;
  Event blocked_;
  Event answered_;
  const RawServer server_{[this](RawConnection& connection) {
    const bool is_tls = std::string_view(GetParam().scheme) == "https";
    if (is_tls && !connection.start_tls(identity_.certificate())) return;
    connection.read_request();
    asked_.set();
    EXPECT_TRUE(blocked_.wait());
    connection.write(http_answer("200 OK", accepted_body));
    answered_.set();
    connection.read_to_end();
  }};
};

TEST_P(DeadlineTest, OfASubmissionDoesNotBeatItsAnswer) {
  Client client(network());
  auto call = post(url());
  call.total_timeout = deadline;
  std::promise<http::ApiAnswer> promise;
  auto exchange = client.on_thread([&] {
    return client.transport()->call(
        call, [&](http::ApiAnswer answer) { promise.set_value(std::move(answer)); });
  });
  block_while_it_answers(client);
  const auto answer = promise.get_future().get();
  EXPECT_TRUE(answer.evidence.complete);
  EXPECT_EQ(answer.evidence.status, 200U);
  EXPECT_EQ(answer.body, accepted_body);
  client.on_thread([&] { exchange = {}; });
}

TEST_P(DeadlineTest, OfAQueryDoesNotBeatItsAnswer) {
  Client client(network());
  auto call = get(url());
  call.idle_timeout = deadline;
  call.total_timeout = deadline;
  std::promise<http::ApiAnswer> promise;
  auto exchange = client.on_thread([&] {
    return client.transport()->call(
        call, [&](http::ApiAnswer answer) { promise.set_value(std::move(answer)); });
  });
  block_while_it_answers(client);
  const auto answer = promise.get_future().get();
  EXPECT_TRUE(answer.evidence.complete);
  EXPECT_EQ(answer.body, accepted_body);
  client.on_thread([&] { exchange = {}; });
}

TEST_P(DeadlineTest, OfAFetchDoesNotBeatItsBytes) {
  Client client(network());
  auto fetch = file(url());
  fetch.idle_timeout = deadline;
  std::string body;
  std::promise<std::optional<Error>> promise;
  auto exchange = client.on_thread([&] {
    return client.transport()->fetch(
        fetch,
        {.head = [](const http::FileHead&) { return true; },
         .data =
             [&](std::span<const std::uint8_t> bytes) { body.append(bytes.begin(), bytes.end()); },
         .end = [&](std::optional<Error> failure) { promise.set_value(failure); }});
  });
  block_while_it_answers(client);
  EXPECT_FALSE(promise.get_future().get());
  EXPECT_EQ(body, accepted_body);
  client.on_thread([&] { exchange = {}; });
}

INSTANTIATE_TEST_SUITE_P(Each, DeadlineTest,
                         ::testing::Values(Case{"http_a_little_late", "http", 300ms},
                                           Case{"http_late", "http", 1200ms},
                                           Case{"https_a_little_late", "https", 300ms},
                                           Case{"https_late", "https", 1200ms}),
                         [](const auto& test) { return test.param.name; });

// The peer may still be sending when the process goes on.
TEST(LateDeadline, WaitsWhileTheAnswerStillComes) {
  Event asked;
  Event blocked;
  Event answered;
  const RawServer server([&](RawConnection& connection) {
    connection.read_request();
    asked.set();
    EXPECT_TRUE(blocked.wait());
    connection.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
    answered.set();
    for (char byte = '0'; byte <= '9'; ++byte) {
      std::this_thread::sleep_for(400ms);  // less than the silence that ends the exchange
      connection.write(std::string(1, byte));
    }
    connection.read_to_end();
  });
  Client client;
  auto call = post(server.url("/"));
  call.total_timeout = deadline;
  std::promise<http::ApiAnswer> promise;
  auto exchange = client.on_thread([&] {
    return client.transport()->call(
        call, [&](http::ApiAnswer answer) { promise.set_value(std::move(answer)); });
  });
  ASSERT_TRUE(asked.wait());
  block(client, 1200ms, blocked, answered);
  const auto answer = promise.get_future().get();
  EXPECT_TRUE(answer.evidence.complete);
  EXPECT_EQ(answer.body, "0123456789");
  client.on_thread([&] { exchange = {}; });
}

TEST(LateDeadline, EndsAnExchangeThatStaysSilent) {
  Event asked;
  Event blocked;
  Event nothing;
  nothing.set();
  const RawServer server([&](RawConnection& connection) {
    connection.read_request();
    asked.set();
    connection.read_to_end();
  });
  Client client;
  auto call = post(server.url("/"));
  call.total_timeout = deadline;
  std::promise<http::ApiAnswer> promise;
  auto exchange = client.on_thread([&] {
    return client.transport()->call(
        call, [&](http::ApiAnswer answer) { promise.set_value(std::move(answer)); });
  });
  ASSERT_TRUE(asked.wait());
  block(client, 1200ms, blocked, nothing);
  const auto answer = promise.get_future().get();
  ASSERT_TRUE(answer.evidence.failure);
  EXPECT_EQ(answer.evidence.failure->code, ErrorCode::timeout);
  client.on_thread([&] { exchange = {}; });
}

}  // namespace
}  // namespace veo::test
