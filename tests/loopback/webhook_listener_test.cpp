// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/http/webhook_listener.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <deque>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "client.h"

namespace veo::test {
namespace {

using http::Webhook;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;
namespace limits = http::webhook_limits;

/// A client for which the test writes each byte.
class Caller {
 public:
  explicit Caller(std::uint16_t port, const char* address = "127.0.0.1")
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    ::inet_pton(AF_INET, address, &to.sin_addr);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
  }
  ~Caller() { ::close(fd_); }
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;

  [[nodiscard]] bool connected() const { return connected_; }
  /// Returns false if the server has closed.
  bool send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  /// Ends the sending side of the connection.
  void shut_down() const { ::shutdown(fd_, SHUT_WR); }
  /// Returns whether the server sends something, or closes, within this time.
  [[nodiscard]] bool hears(std::chrono::milliseconds within) const {
    pollfd wait{fd_, POLLIN, 0};
    return ::poll(&wait, 1, static_cast<int>(within.count())) == 1;
  }
  /// Returns what comes until the server closes, with "(hangs)" at the end if the server does not
  /// close.
  [[nodiscard]] std::string read_to_end() const {
    std::string all;
    for (;;) {
      if (!hears(patience)) return all + "(hangs)";
      std::array<char, 4096> buffer{};
      const auto count = ::recv(fd_, buffer.data(), buffer.size(), 0);
      if (count <= 0) return all;
      all.append(buffer.data(), static_cast<std::size_t>(count));
    }
  }

 private:
  const int fd_;
  bool connected_ = false;
};

std::string post_to(std::string_view path, std::size_t body = 2, std::string_view headers = "") {
  std::string request = "POST ";
  request.append(path).append(" HTTP/1.1\r\nHost: a.example\r\nContent-Length: ");
  request.append(std::to_string(body)).append("\r\n").append(headers).append("\r\n");
  return request.append(body, 'x');
}

unsigned open_files() {
  const std::filesystem::directory_iterator files("/proc/self/fd");
  return static_cast<unsigned>(std::distance(begin(files), end(files)));
}

class WebhookListener : public testing::Test {
 protected:
  struct Hook {
    std::optional<Webhook> webhook;  // used only by the I/O thread
    std::atomic<unsigned> calls = 0;
    std::string token;
    std::string url;
    std::uint16_t port = 0;
    [[nodiscard]] std::string path() const { return "/" + token; }
  };

  template <class Task>
  auto on_thread(Task task) {
    std::promise<decltype(task())> promise;
    thread_->post([&] { promise.set_value(task()); });
    return promise.get_future().get();
  }

  Result<Webhook> listen_at(
      const std::string& address, std::function<void()> called = [] {}) {
    const auto parsed = *parse_listen_address(address);
    return on_thread([&] { return Webhook::listen(thread_, parsed, std::move(called)); });
  }

  Hook& listen(const std::string& address = "127.0.0.1:0") {
    auto& hook = hooks_.emplace_back();
    auto webhook = listen_at(address, [&hook] { ++hook.calls; });
    if (!webhook) throw std::runtime_error(webhook.error().message);
    hook.token = webhook->token();
    hook.url = webhook->url();
    const auto authority = hook.url.substr(0, hook.url.rfind('/'));
    hook.port = static_cast<std::uint16_t>(std::stoul(authority.substr(authority.rfind(':') + 1)));
    hook.webhook = std::move(*webhook);
    return hook;
  }

  void forget(Hook& hook) {
    on_thread([&] {
      hook.webhook.reset();
      return 0;
    });
  }

  /// Returns the number of calls, after all answered requests have reached the hook.
  unsigned calls(const Hook& hook) {
    return on_thread([&] { return hook.calls.load(); });
  }

  static std::string answer(const Hook& hook, std::string_view request) {
    const Caller caller(hook.port);
    caller.send(request);
    return caller.read_to_end();
  }

  ~WebhookListener() override {
    for (auto& hook : hooks_) forget(hook);
  }

  const std::shared_ptr<http::IoThread> thread_ = http::IoThread::acquire();
  std::deque<Hook> hooks_;
};

TEST_F(WebhookListener, CallsTheHookOfTheTokenAlone) {
  const auto& one = listen();
  const auto& other = listen();
  EXPECT_THAT(one.token, testing::MatchesRegex("[0-9a-f]+"));
  EXPECT_EQ(one.token.size(), 32U);
  EXPECT_NE(one.token, other.token);
  EXPECT_EQ(one.url, "http://127.0.0.1:" + std::to_string(one.port) + one.path());
  EXPECT_THAT(answer(one, post_to(one.path())), StartsWith("HTTP/1.1 204 No Content\r\n"));
  EXPECT_EQ(calls(one), 1U);
  EXPECT_EQ(calls(other), 0U);
}

TEST_F(WebhookListener, LooksAtTheLastSegmentSinceProxiesMayKeepTheirs) {
  const auto& hook = listen();
  unsigned expected = 0;
  for (const auto& path : {"/a/b" + hook.path(), "//" + hook.token, hook.path() + "?a=/b",
                           "http://a.example/veo" + hook.path()}) {
    EXPECT_THAT(answer(hook, post_to(path)), StartsWith("HTTP/1.1 204")) << path;
    EXPECT_EQ(calls(hook), ++expected) << path;
  }
}

TEST_F(WebhookListener, AnswersAllElseWith404AndNothingMore) {
  const auto& hook = listen();
  const auto requests = {post_to("/"),
                         post_to("/" + std::string(32, '0')),
                         post_to(hook.path() + "/"),
                         post_to(hook.path() + "/x"),
                         post_to(hook.path() + "0"),
                         "GET " + hook.path() + " HTTP/1.1\r\nHost: a\r\n\r\n",
                         "HEAD " + hook.path() + " HTTP/1.1\r\nHost: a\r\n\r\n",
                         "DELETE " + hook.path() + " HTTP/1.1\r\nHost: a\r\n\r\n",
                         std::string("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")};
  std::optional<std::string> first;
  for (const auto& request : requests) {
    auto got = answer(hook, request);
    EXPECT_THAT(got, StartsWith("HTTP/1.1 404 Not Found\r\n")) << request;
    // All these answers are equal, byte by byte, except for their date.
    const auto date = got.find("Date: ");
    ASSERT_NE(date, std::string::npos);
    got.erase(date, got.find('\n', date) - date);
    EXPECT_EQ(got, first.value_or(got)) << request;
    first = got;
  }
  EXPECT_THAT(*first, testing::Not(HasSubstr("libsoup")));
  EXPECT_EQ(calls(hook), 0U);
}

TEST_F(WebhookListener, EndsAnIncompleteRequest) {
  const auto& hook = listen();
  const auto post = "POST " + hook.path() + " HTTP/1.1\r\n";
  for (const auto& bytes :
       {std::string(), std::string("\x16\x03\x01\x02\r\n\r\n"), std::string("POST\r\n\r\n"), post,
        post + "X: " + std::string(1 << 20, 'x'), post + "\r\n",
        post + "Host: a\r\nContent-Length: 100\r\n\r\n{",
        post + "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"}) {
    const Caller caller(hook.port);
    caller.send(bytes);
    caller.shut_down();
    EXPECT_THAT(caller.read_to_end(), testing::AnyOf(IsEmpty(), HasSubstr(" 400 ")))
        << bytes.substr(0, 80);
    EXPECT_EQ(calls(hook), 0U) << bytes.substr(0, 80);
  }
}

TEST_F(WebhookListener, EqualAddressesShareASocket) {
  const auto& any = listen("127.0.0.1:0");
  const auto& same = listen("127.0.0.1:0");
  const auto& bound = listen("127.0.0.1:" + std::to_string(any.port));
  const auto& other = listen("127.0.0.2:0");
  EXPECT_EQ(same.port, any.port);
  EXPECT_EQ(bound.port, any.port);
  EXPECT_THAT(other.url, StartsWith("http://127.0.0.2:"));
  EXPECT_THAT(answer(any, post_to(bound.path())), StartsWith("HTTP/1.1 204"));
  EXPECT_EQ(calls(bound), 1U);
  const Caller elsewhere(other.port, "127.0.0.2");
  ASSERT_TRUE(elsewhere.connected());
  elsewhere.send(post_to(other.path()));
  EXPECT_THAT(elsewhere.read_to_end(), StartsWith("HTTP/1.1 204"));
}

TEST_F(WebhookListener, SpeaksIpv6) {
  if (!std::ifstream("/proc/net/if_inet6").good()) GTEST_SKIP() << "this machine has no IPv6";
  const auto& hook = listen("[::1]:0");
  EXPECT_EQ(hook.url, "http://[::1]:" + std::to_string(hook.port) + hook.path());
  EXPECT_FALSE(Caller(hook.port).connected()) << "the hook also listens on IPv4";
}

TEST_F(WebhookListener, ForgetsATokenWithItsHookAndTheSocketWithTheLast) {
  auto& gone = listen();
  auto& stays = listen();
  forget(gone);
  EXPECT_THAT(answer(stays, post_to(gone.path())), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(answer(stays, post_to(stays.path())), StartsWith("HTTP/1.1 204"));
  EXPECT_EQ(calls(gone), 0U);
  forget(stays);
  EXPECT_FALSE(Caller(stays.port).connected());
  // The port is free for others.
  EXPECT_EQ(listen("127.0.0.1:" + std::to_string(stays.port)).port, stays.port);
}

TEST_F(WebhookListener, NamesAnAddressThatCannotBeBound) {
  const int taken = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  ::inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(taken, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(taken, 1), 0);
  ASSERT_EQ(::getsockname(taken, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const auto text = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  const auto refused = listen_at(text);
  ::close(taken);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_request);
  EXPECT_THAT(refused.error().message, HasSubstr("callback-listen=" + text));
  EXPECT_THAT(refused.error().message, HasSubstr("in use"));
}

TEST_F(WebhookListener, AHookMayBeDestroyedByItsCall) {
  std::optional<Webhook> hook;
  Event called;
  auto webhook = listen_at("127.0.0.1:0", [&] {
    hook.reset();
    called.set();
  });
  ASSERT_TRUE(webhook);
  const auto url = webhook->url();
  const auto port = static_cast<std::uint16_t>(std::stoul(url.substr(url.find(':', 5) + 1)));
  const auto token = webhook->token();
  on_thread([&] {
    hook = std::move(*webhook);
    return 0;
  });
  const Caller caller(port);
  caller.send(post_to("/" + token));
  EXPECT_THAT(caller.read_to_end(), StartsWith("HTTP/1.1 204"));
  EXPECT_TRUE(called.wait());
}

TEST_F(WebhookListener, TakesOneRequestOfAConnection) {
  const auto& hook = listen();
  const auto got = answer(hook, post_to(hook.path()) + post_to(hook.path()));
  EXPECT_THAT(got, HasSubstr("Connection: close"));
  EXPECT_EQ(got.find("HTTP/1.1", 1), std::string::npos);
  EXPECT_EQ(calls(hook), 1U);
}

TEST_F(WebhookListener, TakesABodyUpToItsLimit) {
  const auto& hook = listen();
  EXPECT_THAT(answer(hook, post_to(hook.path(), limits::body_size)), StartsWith("HTTP/1.1 204"));
  EXPECT_EQ(calls(hook), 1U);

  const Caller asks(hook.port);
  asks.send("POST " + hook.path() +
            " HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  ASSERT_TRUE(asks.hears(patience));
  asks.send("{}");
  EXPECT_THAT(asks.read_to_end(), HasSubstr("HTTP/1.1 204"));
  EXPECT_EQ(calls(hook), 2U);
}

// The head tells the length, so the server refuses the body without reading it.
TEST_F(WebhookListener, RefusesALargerBodyByItsLength) {
  const auto& hook = listen();
  const Caller caller(hook.port);
  caller.send("POST " + hook.path() + " HTTP/1.1\r\nHost: a\r\nContent-Length: " +
              std::to_string(limits::body_size + 1) + "\r\n\r\n");
  EXPECT_THAT(caller.read_to_end(), StartsWith("HTTP/1.1 413 "));
  EXPECT_EQ(calls(hook), 0U);
}

// A body without a length is ended as soon as it is too large. Only as many bytes are accepted as
// fit into the sockets' buffers, not the gigabyte that the client offers.
TEST_F(WebhookListener, EndsABodyWithoutALength) {
  const auto& hook = listen();
  const Caller caller(hook.port);
  caller.send("POST " + hook.path() + " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  const auto chunk = "1000\r\n" + std::string(0x1000, 'x') + "\r\n";
  std::size_t sent = 0;
  while (sent < std::size_t{1} << 30U && caller.send(chunk)) sent += chunk.size();
  EXPECT_LT(sent, std::size_t{16} << 20U);
  EXPECT_THAT(caller.read_to_end(), testing::Not(HasSubstr("204")));
  EXPECT_EQ(calls(hook), 0U);
}

// A client that sends single bytes, in the head or in the body, or that sends nothing, cannot keep
// its connection open.
TEST_F(WebhookListener, EndsSlowSenders) {
  const auto& hook = listen();
  const Caller silent(hook.port);
  const Caller head(hook.port);
  const Caller body(hook.port);
  head.send("POST " + hook.path() + " HTTP/1.1\r\nX: ");
  body.send("POST " + hook.path() + " HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n");
  const auto start = std::chrono::steady_clock::now();
  const auto drip = [start](const Caller& caller) {
    while (std::chrono::steady_clock::now() < start + patience && !caller.hears(50ms)) {
      caller.send("x");
    }
    return std::chrono::steady_clock::now() - start;
  };
  auto head_took = std::async(std::launch::async, drip, std::ref(head));
  auto body_took = std::async(std::launch::async, drip, std::ref(body));
  EXPECT_THAT(silent.read_to_end(), IsEmpty());
  EXPECT_LT(head_took.get(), limits::head_within + 5s);
  EXPECT_LT(body_took.get(), limits::head_within + limits::body_within + 5s);
  EXPECT_EQ(calls(hook), 0U);
}

TEST_F(WebhookListener, ServesAFewConnectionsAtOnceAndTheOthersInTurn) {
  const auto& hook = listen();
  std::vector<std::unique_ptr<Caller>> slow;
  const auto files = open_files();
  for (std::size_t i = 0; i < limits::connections; ++i) {
    slow.push_back(std::make_unique<Caller>(hook.port));
    slow.back()->send("POST /");
  }
  while (open_files() < files + 2 * limits::connections) std::this_thread::yield();
  std::vector<std::unique_ptr<Caller>> waiting;
  for (int i = 0; i < 20; ++i) {
    waiting.push_back(std::make_unique<Caller>(hook.port));
    waiting.back()->send(post_to(hook.path()));
  }
  EXPECT_FALSE(waiting.front()->hears(200ms));
  EXPECT_EQ(open_files(), files + 2 * limits::connections + 20);
  // When one place becomes free, all waiting connections are served one after the other.
  slow.pop_back();
  for (const auto& caller : waiting) {
    EXPECT_THAT(caller->read_to_end(), StartsWith("HTTP/1.1 204"));
  }
  EXPECT_EQ(calls(hook), 20U);
}

TEST_F(WebhookListener, LeavesNothingBehind) {
  const auto files = open_files();
  {
    auto& hook = listen();
    for (int i = 0; i < 500; ++i) {
      ASSERT_THAT(answer(hook, post_to(hook.path())), StartsWith("HTTP/1.1 204"));
    }
    EXPECT_EQ(calls(hook), 500U);
    // When the server ends, there are connections in each state.
    const Caller silent(hook.port);
    const Caller head(hook.port);
    const Caller body(hook.port);
    head.send("POST /");
    body.send("POST " + hook.path() + " HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nx");
    while (open_files() < files + 7) std::this_thread::yield();
    forget(hook);
    EXPECT_THAT(silent.read_to_end(), IsEmpty());
    EXPECT_THAT(head.read_to_end(), IsEmpty());
    EXPECT_THAT(body.read_to_end(), IsEmpty());
    EXPECT_EQ(calls(hook), 500U);
  }
  EXPECT_EQ(open_files(), files);
}

}  // namespace
}  // namespace veo::test
