// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The same rules with HTTP/2, where libsoup repeats even a POST by itself and ignores a cancel
// while it waits for a head. The server speaks just enough of RFC 9113 to answer, refuse or stay
// silent.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include <map>
#include <memory>
#include <stdexcept>
#include <vector>

#include "client.h"
#include "raw_server.h"

namespace veo::test {
namespace {

using ::testing::IsEmpty;

enum class Type : std::uint8_t { data = 0, headers = 1, rst_stream = 3, settings = 4, goaway = 7 };
constexpr std::uint8_t end_stream = 1;
constexpr std::uint8_t end_headers = 4;
constexpr std::uint8_t priority = 0x20;
constexpr std::uint8_t ack = 1;

std::string frame(Type type, std::uint8_t flags, std::uint32_t stream, std::string_view payload) {
  const auto byte = [](std::size_t value) { return static_cast<char>(value & 0xffU); };
  std::string bytes{byte(payload.size() >> 16U),
                    byte(payload.size() >> 8U),
                    byte(payload.size()),
                    byte(static_cast<std::size_t>(type)),
                    byte(flags),
                    byte(stream >> 24U),
                    byte(stream >> 16U),
                    byte(stream >> 8U),
                    byte(stream)};
  return bytes.append(payload);
}

/// Encodes with HPACK a `:status` whose value is not in the static table.
std::string status_header(std::string_view status) {
  return std::string("\x08\x03").append(status);
}

struct Request {
  std::map<std::string, std::string> headers;
  std::string body;
};

/// Decodes the headers of one connection's requests (RFC 7541).
class HeaderDecoder {
 public:
  HeaderDecoder() { nghttp2_hd_inflate_new(&inflater_); }
  ~HeaderDecoder() { nghttp2_hd_inflate_del(inflater_); }
  HeaderDecoder(const HeaderDecoder&) = delete;
  HeaderDecoder& operator=(const HeaderDecoder&) = delete;

  std::map<std::string, std::string> decode(std::string_view block) {
    std::map<std::string, std::string> headers;
    for (;;) {
      nghttp2_nv field{};
      int flags = 0;
      const auto used = nghttp2_hd_inflate_hd2(inflater_, &field, &flags,
                                               reinterpret_cast<const std::uint8_t*>(block.data()),
                                               block.size(), 1);
      if (used < 0) throw std::runtime_error("not HPACK");
      block.remove_prefix(static_cast<std::size_t>(used));
      if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
        headers[std::string(field.name, field.name + field.namelen)] =
            std::string(field.value, field.value + field.valuelen);
      }
      if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
    }
    nghttp2_hd_inflate_end_headers(inflater_);
    return headers;
  }

 private:
  nghttp2_hd_inflater* inflater_ = nullptr;
};

/// Accepts requests one after the other, and answers each with the frames that `answer` returns.
class Http2Server {
 public:
  using Answer = std::function<std::string(std::uint32_t stream)>;

  explicit Http2Server(Answer answer)
      : answer_(std::move(answer)), server_([this](RawConnection& connection) {
          if (connection.start_tls(identity_.certificate(), {"h2"})) serve(connection);
        }) {}

  [[nodiscard]] std::string url() const { return server_.url("/v1", "https"); }
  [[nodiscard]] http::Network network() const {
    return {.proxy = "", .ssl_ca_file = identity_.file(), .tls_database = {}, .user_agent = ""};
  }
  [[nodiscard]] unsigned connections() const { return server_.connections(); }
  [[nodiscard]] std::vector<Request> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void serve(RawConnection& connection) {
    if (connection.read(24) != "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") return;
    connection.write(frame(Type::settings, 0, 0, ""));
    HeaderDecoder decoder;
    for (;;) {
      const auto header = connection.read(9);
      if (header.size() < 9) return;
      const auto at = [&](std::size_t i) { return static_cast<std::uint8_t>(header[i]); };
      const auto payload =
          connection.read(std::size_t{at(0)} << 16U | std::size_t{at(1)} << 8U | at(2));
      const auto type = static_cast<Type>(at(3));
      const auto stream = std::uint32_t{at(7)} << 8U | at(8);
      if (type == Type::settings && (at(4) & ack) == 0) {
        connection.write(frame(Type::settings, ack, 0, ""));
      }
      if (type != Type::headers && type != Type::data) continue;
      {
        const std::lock_guard lock(mutex_);
        if (type == Type::headers) {
          const std::size_t skipped = (at(4) & priority) != 0 ? 5 : 0;
          requests_.push_back(
              {.headers = decoder.decode(std::string_view(payload).substr(skipped)), .body = ""});
        } else {
          requests_.back().body += payload;
        }
      }
      if ((at(4) & end_stream) != 0) connection.write(answer_(stream));
    }
  }

  const Answer answer_;
  const TlsIdentity identity_{"127.0.0.1"};
  mutable std::mutex mutex_;
  std::vector<Request> requests_;  // guarded by mutex_
  RawServer server_;
};

std::string whole_answer(std::uint32_t stream, std::string_view status, std::string_view body) {
  return frame(Type::headers, end_headers, stream, status_header(status)) +
         frame(Type::data, end_stream, stream, body);
}

std::string rst_stream(std::uint32_t stream, char error) {
  return frame(Type::rst_stream, 0, stream, std::string("\0\0\0", 3) + error);
}

TEST(Http2, SubmissionIsAcceptedOnce) {
  const Http2Server server([](std::uint32_t stream) { return whole_answer(stream, "200", "{}"); });
  Client client(server.network());
  const auto answer = client.call(post(server.url()));
  EXPECT_TRUE(answer.evidence.complete);
  EXPECT_EQ(answer.evidence.status, 200U);
  EXPECT_EQ(answer.body, "{}");
  ASSERT_EQ(server.requests().size(), 1U);
  const auto request = server.requests().front();
  EXPECT_EQ(request.headers.at(":method"), "POST");
  EXPECT_EQ(request.headers.at("authorization"), "Bearer " + std::string(key_text));
  EXPECT_EQ(request.headers.at("accept-encoding"), "identity");
  EXPECT_EQ(request.body, R"({"model":"veo-3"})");
}

TEST(Http2, MisdirectedSubmissionIsNotRepeated) {
  const Http2Server server([](std::uint32_t stream) { return whole_answer(stream, "421", "x"); });
  Client client(server.network());
  const auto evidence = client.call(post(server.url())).evidence;
  EXPECT_TRUE(evidence.got_head);
  EXPECT_EQ(evidence.status, 421U);
  EXPECT_FALSE(evidence.complete);
  EXPECT_EQ(server.requests().size(), 1U);
}

struct Refusal {
  const char* name;
  Http2Server::Answer answer;
};
void PrintTo(const Refusal& refusal, std::ostream* out) { *out << refusal.name; }

class Http2Refusal : public ::testing::TestWithParam<Refusal> {};

// Each of these refusals makes libsoup begin the POST again.
TEST_P(Http2Refusal, OfASubmissionIsNotRepeated) {
  const Http2Server server(GetParam().answer);
  {
    Client client(server.network());
    const auto evidence = client.call(post(server.url())).evidence;
    EXPECT_TRUE(evidence.begun);
    EXPECT_TRUE(evidence.second_start);
    EXPECT_FALSE(evidence.got_head);
    EXPECT_FALSE(evidence.complete);
    ASSERT_TRUE(evidence.failure);
    EXPECT_EQ(evidence.failure->code, ErrorCode::network);
  }
  EXPECT_TRUE(threads_end("veo-io"));
  const auto requests = server.requests();
  ASSERT_FALSE(requests.empty());
  EXPECT_TRUE(requests.front().headers.contains("authorization"));
  EXPECT_EQ(requests.front().body, R"({"model":"veo-3"})");
  // libsoup may write a second request in spite of the cancel. That request has no key and no body.
  EXPECT_LE(requests.size(), 2U);
  if (requests.size() == 2) {
    EXPECT_FALSE(requests.back().headers.contains("authorization"));
    EXPECT_THAT(requests.back().body, IsEmpty());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Each, Http2Refusal,
    ::testing::Values(
        Refusal{"refused_stream", [](std::uint32_t stream) { return rst_stream(stream, 0x7); }},
        Refusal{"http_1_1_required", [](std::uint32_t stream) { return rst_stream(stream, 0xd); }},
        Refusal{"going_away",
                [](std::uint32_t) { return frame(Type::goaway, 0, 0, std::string(8, '\0')); }}),
    [](const auto& test) { return test.param.name; });

// On HTTP/2, libsoup 3.2 does not check its GCancellable while it waits for a head.
TEST(Http2, SilenceEndsByTheDeadlinesAndLeavesNoThread) {
  const Http2Server server([](std::uint32_t) { return ""; });
  {
    Client client(server.network());
    auto query = get(server.url());
    query.idle_timeout = 50ms;
    auto evidence = client.call(query).evidence;
    ASSERT_TRUE(evidence.failure);
    EXPECT_EQ(evidence.failure->code, ErrorCode::timeout);

    auto submission = post(server.url());
    submission.total_timeout = 100ms;
    evidence = client.call(submission).evidence;
    EXPECT_TRUE(evidence.begun);
    ASSERT_TRUE(evidence.failure);
    EXPECT_EQ(evidence.failure->code, ErrorCode::timeout);

    auto fetch = file(server.url());
    fetch.idle_timeout = 50ms;
    EXPECT_EQ(client.fetch(fetch).code(), ErrorCode::timeout);
  }
  EXPECT_TRUE(threads_end("veo-io"));
}

// The I/O thread is blocked beyond the deadline, as a stopped process is, while the answer comes.
TEST(Http2, DeadlinesDoNotBeatTheAnswer) {
  for (const auto* const kind : {"query", "submission", "file"}) {
    SCOPED_TRACE(kind);
    Event asked;
    Event blocked;
    const Http2Server server([&](std::uint32_t stream) {
      asked.set();
      EXPECT_TRUE(blocked.wait());
      return frame(Type::headers, end_headers, stream, "\x88") +
             frame(Type::data, 0, stream, "01") + frame(Type::data, end_stream, stream, "2");
    });
    Client client(server.network());
    std::promise<std::string> body;
    http::Transport::Exchange exchange;
    std::string bytes;
    client.on_thread([&] {
      if (std::string_view(kind) == "file") {
        auto fetch = file(server.url());
        fetch.idle_timeout = 400ms;
        exchange = client.transport()->fetch(
            fetch, {.head = [](const http::FileHead&) { return true; },
                    .data = [&](auto piece) { bytes.append(piece.begin(), piece.end()); },
                    .end =
                        [&](const std::optional<Error>& failure) {
                          body.set_value(failure ? failure->message : bytes);
                        }});
        return;
      }
      auto call = std::string_view(kind) == "query" ? get(server.url()) : post(server.url());
      call.idle_timeout = 400ms;
      call.total_timeout = 400ms;
      exchange = client.transport()->call(call, [&](const http::ApiAnswer& answer) {
        const auto& failure = answer.evidence.failure;
        body.set_value(failure ? failure->message : answer.body);
      });
    });
    ASSERT_TRUE(asked.wait());
    client.thread()->post([&] {
      blocked.set();
      std::this_thread::sleep_for(1200ms);  // the time itself is what the test is about
    });
    EXPECT_EQ(body.get_future().get(), "012");
    client.on_thread([&] { exchange = {}; });
  }
}

TEST(Http2, FileIsComplete) {
  const Http2Server server([](std::uint32_t stream) {
    return frame(Type::headers, end_headers, stream, "\x88") + frame(Type::data, 0, stream, "01") +
           frame(Type::data, end_stream, stream, "2");
  });
  Client client(server.network());
  const auto fetched = client.fetch(file(server.url()));
  EXPECT_FALSE(fetched.failure);
  EXPECT_EQ(fetched.body, "012");
}

TEST(Http2, FileThatIsCutIsNotComplete) {
  const Http2Server server([](std::uint32_t stream) {
    // content-length (static index 28): 9
    return frame(Type::headers, end_headers, stream, std::string("\x88\x0f\x0d\x01") + "9") +
           frame(Type::data, 0, stream, "01") + rst_stream(stream, 2);
  });
  Client client(server.network());
  const auto fetched = client.fetch(file(server.url()));
  EXPECT_EQ(fetched.code(), ErrorCode::network);
}

// libsoup 3.2 takes trailers for another head, and then waits for the end of the body for ever.
TEST(Http2, TrailersEndTheBody) {
  const Http2Server server([](std::uint32_t stream) {
    return frame(Type::headers, end_headers, stream, "\x88") +
           frame(Type::data, 0, stream, "{\"a\":") + frame(Type::data, 0, stream, "1}") +
           // a literal field without indexing: "t: 1"
           frame(Type::headers, end_headers | end_stream, stream,
                 std::string("\x00\x01t\x01\x31", 5));
  });
  Client client(server.network());
  const auto started = std::chrono::steady_clock::now();
  for (const auto& call : {get(server.url()), post(server.url())}) {
    const auto answer = client.call(call);
    EXPECT_TRUE(answer.evidence.complete);
    EXPECT_EQ(answer.evidence.status, 200U);
    EXPECT_EQ(answer.body, "{\"a\":1}");
  }
  const auto fetched = client.fetch(file(server.url()));
  EXPECT_FALSE(fetched.failure);
  EXPECT_EQ(fetched.body, "{\"a\":1}");
  EXPECT_LT(std::chrono::steady_clock::now() - started, 10s);  // less than one idle timeout
}

/// Runs nghttpd, which speaks HTTP/2 alone.
class Nghttpd {
 public:
  explicit Nghttpd(const TlsIdentity& identity) : port_(refused_port()) {
    const auto key = identity.file().substr(0, identity.file().rfind('/')) + "/key.pem";
    const auto port = std::to_string(port_);
    const auto folder = "--htdocs=" + identity.file().substr(0, identity.file().rfind('/'));
    process_.reset(g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_SILENCE, nullptr, "nghttpd",
                                    "--address=127.0.0.1", folder.c_str(), port.c_str(),
                                    key.c_str(), identity.file().c_str(), nullptr));
    const GRef<GSocketClient> client(g_socket_client_new());
    for (int i = 0; process_ && i < 500; ++i) {
      const GRef<GSocketConnection> connected(
          g_socket_client_connect_to_host(client.get(), "127.0.0.1", port_, nullptr, nullptr));
      if (connected) return;
      std::this_thread::sleep_for(10ms);  // nothing tells that it listens
    }
  }
  ~Nghttpd() {
    if (!process_) return;
    g_subprocess_force_exit(process_.get());
    g_subprocess_wait(process_.get(), nullptr, nullptr);
  }
  Nghttpd(const Nghttpd&) = delete;
  Nghttpd& operator=(const Nghttpd&) = delete;
  [[nodiscard]] std::string url(const std::string& path) const {
    return "https://127.0.0.1:" + std::to_string(port_) + path;
  }

 private:
  const std::uint16_t port_;
  GRef<GSubprocess> process_;
};

TEST(Http2, ASubmissionReachesNghttpd) {
  const std::unique_ptr<char, decltype(&g_free)> program(g_find_program_in_path("nghttpd"), g_free);
  if (!program) GTEST_SKIP() << "nghttpd is not installed";
  const TlsIdentity identity("127.0.0.1");
  const Nghttpd server(identity);
  Client client(
      {.proxy = "", .ssl_ca_file = identity.file(), .tls_database = {}, .user_agent = ""});
  const auto answer = client.call(post(server.url("/cert.pem")));
  EXPECT_TRUE(answer.evidence.complete);
  EXPECT_EQ(answer.evidence.status, 200U);
  EXPECT_NE(answer.body.find("BEGIN CERTIFICATE"), std::string::npos);
}

/// A server that speaks both protocols, as nginx and Envoy do, and says which one was chosen.
TEST(Http2, ASubmissionChoosesHttp1IfTheServerHasIt) {
  const TlsIdentity identity("127.0.0.1");
  std::promise<std::string> chosen;
  const RawServer server([&](RawConnection& connection) {
    const bool shaken = connection.start_tls(identity.certificate(), {"h2", "http/1.1"});
    chosen.set_value(connection.protocol());
    if (!shaken) return;
    connection.read_request();
    connection.write(http_answer("200 OK", "{}"));
  });
  Client client(
      {.proxy = "", .ssl_ca_file = identity.file(), .tls_database = {}, .user_agent = ""});
  const auto answer = client.call(post(server.url("/", "https")));
  EXPECT_EQ(chosen.get_future().get(), "http/1.1");
  EXPECT_TRUE(answer.evidence.complete);
  EXPECT_EQ(server.connections(), 1U);
}

// A server of HTTP/2 alone gets nothing on the connection that offered HTTP/1.1 alone.
TEST(Http2, ASubmissionReachesAServerOfHttp2Alone) {
  const Http2Server server([](std::uint32_t stream) { return whole_answer(stream, "200", "{}"); });
  Client client(server.network());
  EXPECT_TRUE(client.call(post(server.url())).evidence.complete);
  EXPECT_EQ(server.connections(), 2U);
  EXPECT_EQ(server.requests().size(), 1U);
}

// A server without ALPN speaks HTTP/1.1.
TEST(Http2, ASubmissionReachesAServerWithoutAlpn) {
  const TlsIdentity identity("127.0.0.1");
  const RawServer server([&](RawConnection& connection) {
    if (!connection.start_tls(identity.certificate(), {})) return;
    if (connection.read_request().empty()) return;
    connection.write(http_answer("200 OK", "{}"));
  });
  Client client(
      {.proxy = "", .ssl_ca_file = identity.file(), .tls_database = {}, .user_agent = ""});
  EXPECT_TRUE(client.call(post(server.url("/", "https"))).evidence.complete);
  EXPECT_EQ(server.requests().size(), 1U);
}

TEST(Http2, QueriesShareAConnection) {
  const Http2Server server([](std::uint32_t stream) { return whole_answer(stream, "200", "{}"); });
  Client client(server.network());
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(client.call(get(server.url())).evidence.complete);
  EXPECT_EQ(server.connections(), 1U);
  EXPECT_EQ(server.requests().size(), 3U);
}

}  // namespace
}  // namespace veo::test
