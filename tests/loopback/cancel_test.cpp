// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Cancelling exchanges: how a cancelled exchange ends, and how the I/O thread ends after it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "at_start.h"
#include "client.h"
#include "raw_server.h"

namespace veo::test {
namespace {

using http::Transport;

void unexpected_answer(const http::ApiAnswer&) {
  ADD_FAILURE() << "a handler of a cancelled exchange ran";
}

http::FileHandler unexpected_file() {
  return {.head =
              [](const http::FileHead&) {
                ADD_FAILURE() << "head";
                return true;
              },
          .data = [](std::span<const std::uint8_t>) { ADD_FAILURE() << "data"; },
          .end = [](const std::optional<Error>&) { ADD_FAILURE() << "end"; }};
}

/// A server that reads a request, writes `beginning`, and then waits until the client closes.
class Waiting {
 public:
  explicit Waiting(std::string beginning = "")
      : server_([this, beginning = std::move(beginning)](RawConnection& connection) {
          connection.read_request();
          connection.write(beginning);
          asked.set();
          connection.read_to_end();
          left.set();
        }) {}

  Event asked;
  Event left;
  [[nodiscard]] std::string url() const { return server_.url("/"); }

 private:
  RawServer server_;
};

TEST(Cancel, OfAQueryEndsItsConnection) {
  for (const auto* beginning : {"", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"}) {
    Waiting server(beginning);
    Client client;
    auto exchange = client.on_thread(
        [&] { return client.transport()->call(get(server.url()), unexpected_answer); });
    ASSERT_TRUE(server.asked.wait());
    client.on_thread([&] { exchange = {}; });
    EXPECT_TRUE(server.left.wait());
  }
}

TEST(Cancel, OfAFetchEndsItsConnection) {
  for (const auto* beginning : {"", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"}) {
    Waiting server(beginning);
    Client client;
    auto handler = unexpected_file();
    handler.head = [](const http::FileHead&) { return true; };
    auto exchange = client.on_thread(
        [&] { return client.transport()->fetch(file(server.url()), std::move(handler)); });
    ASSERT_TRUE(server.asked.wait());
    client.on_thread([&] { exchange = {}; });
    EXPECT_TRUE(server.left.wait());
  }
}

TEST(Cancel, AtOnceSendsNothing) {
  const RawServer server([](RawConnection& connection) { connection.read_request(); });
  {
    Client client;
    client.on_thread([&] {
      auto submission = client.transport()->call(post(server.url("/")), unexpected_answer);
      auto query = client.transport()->call(get(server.url("/")), unexpected_answer);
      auto fetch = client.transport()->fetch(file(server.url("/")), unexpected_file());
      EXPECT_FALSE(submission.has_begun());
    });
  }
  EXPECT_TRUE(threads_end("veo-io"));
  EXPECT_TRUE(server.requests().empty());
}

TEST(Cancel, OfASubmissionThatHasNotBegunEndsItsConnection) {
  Event connected;
  std::promise<std::string> heard;
  const RawServer server([&](RawConnection& connection) {
    connection.read(1);  // the first byte of TLS's first message, which gets no answer
    connected.set();
    heard.set_value(connection.read_to_end());
  });
  Client client;
  auto exchange = client.on_thread(
      [&] { return client.transport()->call(post(server.url("/", "https")), unexpected_answer); });
  ASSERT_TRUE(connected.wait());
  client.on_thread([&] {
    EXPECT_FALSE(exchange.has_begun());
    exchange = {};
  });
  EXPECT_EQ(heard.get_future().get().find(key_text), std::string::npos);
}

TEST(Cancel, OfASubmissionThatHasBegunOnlyStopsListening) {
  Event asked;
  Event answer;
  Event answered;
  bool took_it = false;
  const RawServer server([&](RawConnection& connection) {
    connection.read_request();
    asked.set();
    EXPECT_TRUE(answer.wait());
    // The write shows whether the client still has its connection open.
    took_it = connection.write(
        http_answer("200 OK", R"({"data":{"taskId":"t"}})", "Connection: close\r\n"));
    answered.set();
  });
  {
    Client client;
    auto exchange = client.on_thread(
        [&] { return client.transport()->call(post(server.url("/")), unexpected_answer); });
    ASSERT_TRUE(asked.wait());
    client.on_thread([&] {
      EXPECT_TRUE(exchange.has_begun());
      exchange = {};
    });
  }
  // The submission ends by itself. The I/O thread lives until then.
  EXPECT_EQ(threads_named("veo-io"), 1U);
  answer.set();
  ASSERT_TRUE(answered.wait());
  EXPECT_TRUE(took_it);
  EXPECT_TRUE(threads_end("veo-io"));
}

TEST(Cancel, OfASubmissionThatHasBegunKeepsItsDeadline) {
  Waiting server;
  {
    Client client;
    auto call = post(server.url());
    call.total_timeout = 300ms;
    auto exchange = client.on_thread(
        [&] { return client.transport()->call(std::move(call), unexpected_answer); });
    ASSERT_TRUE(server.asked.wait());
    client.on_thread([&] { exchange = {}; });
  }
  EXPECT_TRUE(server.left.wait());
  EXPECT_TRUE(threads_end("veo-io"));
}

TEST(Cancel, InItsOwnHandlerIsSafe) {
  const RawServer server([](RawConnection& connection) {
    while (!connection.read_request().empty()) {
      connection.write(http_answer("200 OK", std::string(1 << 20, 'x')));
    }
  });
  Client client;
  for (const std::string_view where : {"answer", "head", "head, and false", "data", "end"}) {
    SCOPED_TRACE(where);
    Event ended;
    Transport::Exchange exchange;
    // The handler drops its own exchange. A handler that is destroyed during its call is not used
    // again.
    const auto alive = std::make_shared<int>(1);
    const auto end_at = [&, alive](std::string_view here) {
      if (!where.starts_with(here)) return;
      exchange = {};
      EXPECT_EQ(*alive, 1);
      ended.set();
    };
    client.on_thread([&] {
      if (where == "answer") {
        exchange = client.transport()->call(get(server.url("/")),
                                            [=](const http::ApiAnswer&) { end_at("answer"); });
        return;
      }
      exchange = client.transport()->fetch(
          file(server.url("/")), {.head =
                                      [=](const http::FileHead&) {
                                        end_at("head");
                                        return where != "head, and false";
                                      },
                                  .data = [=](std::span<const std::uint8_t>) { end_at("data"); },
                                  .end = [=](const std::optional<Error>&) { end_at("end"); }});
    });
    EXPECT_TRUE(ended.wait());
    client.on_thread([] {});
  }
}

TEST(Cancel, InTheHandlerOfTheHeadEndsTheFetch) {
  Waiting server("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n0");
  Client client;
  auto handler = unexpected_file();
  handler.head = [](const http::FileHead&) { return false; };
  auto exchange = client.on_thread(
      [&] { return client.transport()->fetch(file(server.url()), std::move(handler)); });
  EXPECT_TRUE(server.left.wait());
  client.on_thread([&] { exchange = {}; });
}

// The host drops a connection just when it is used again, and the exchange is cancelled before
// libsoup sends the message again by itself. libsoup 3.2 must not end the message twice, which is a
// CRITICAL: the tests run with G_DEBUG=fatal-criticals.
TEST(Cancel, BetweenTwoAttemptsOfLibsoupEndsTheMessageOnce) {
  // Either connection may be the one that is used again.
  for (const unsigned index : {0U, 1U}) {
    Event both_asked;
    std::atomic<unsigned> asked{0};
    Event drop;
    Event dropped;
    const RawServer server([&](RawConnection& connection) {
      connection.read_request();
      if (++asked == 2) both_asked.set();
      EXPECT_TRUE(both_asked.wait());
      connection.write(http_answer("200 OK", "{}"));
      if (connection.index() == index) {
        EXPECT_TRUE(drop.wait());
        connection.reset();
        dropped.set();
      }
      connection.read_to_end();
    });
    Client client;
    std::promise<void> ended[2];
    Transport::Exchange first[2];
    client.on_thread([&] {
      for (int i : {0, 1}) {
        first[i] = client.transport()->call(
            get(server.url("/")), [&ended, i](const http::ApiAnswer&) { ended[i].set_value(); });
      }
    });
    for (auto& one : ended) one.get_future().wait();

    Transport::Exchange exchange;
    http::IoThread::Timer timer;
    Event cancelled;
    AtStart::get().call([&] {
      drop.set();
      EXPECT_TRUE(dropped.wait());
      // A timer runs before libsoup goes through its queue.
      timer = client.thread()->after(0ms, [&] {
        exchange = {};
        cancelled.set();
      });
    });
    client.on_thread(
        [&] { exchange = client.transport()->call(get(server.url("/")), unexpected_answer); });
    EXPECT_TRUE(cancelled.wait());
    client.on_thread([&] {
      timer.cancel();
      for (auto& one : first) one = {};
    });
  }
  EXPECT_TRUE(threads_end("veo-io"));
}

TEST(Cancel, AHandlerMayDestroyEverything) {
  const RawServer server([](RawConnection& connection) {
    connection.read_request();
    connection.write(http_answer("200 OK", "{}"));
    connection.read_to_end();
  });
  Event ended;
  auto client = std::make_unique<Client>();
  struct Held {
    std::shared_ptr<http::IoThread> thread;
    std::shared_ptr<Transport> transport;
    Transport::Exchange exchange;
  };
  const auto held = std::make_shared<Held>();
  client->on_thread([&] {
    held->thread = client->thread();
    held->transport = client->transport();
    held->exchange =
        held->transport->call(post(server.url("/")), [&, held](const http::ApiAnswer& answer) {
          EXPECT_TRUE(answer.evidence.complete);
          const auto last = std::move(*held);
          ended.set();
        });
  });
  client.reset();
  EXPECT_TRUE(ended.wait());
  EXPECT_TRUE(threads_end("veo-io"));
}

}  // namespace
}  // namespace veo::test
