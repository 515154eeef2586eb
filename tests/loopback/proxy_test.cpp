// SPDX-License-Identifier: LGPL-2.1-or-later
//
// An answer of a proxy is not an answer of the service.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <mutex>
#include <string>

#include "client.h"
#include "raw_server.h"

namespace veo::test {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

http::Network through(const std::string& proxy, const std::string& ca_file = "") {
  return {.proxy = proxy, .ssl_ca_file = ca_file, .tls_database = {}, .user_agent = ""};
}

class ProxyRefuses : public ::testing::TestWithParam<std::string> {};

TEST_P(ProxyRefuses, AndNothingHasBegun) {
  const RawServer proxy([](RawConnection& connection) {
    connection.read_request();
    connection.write(GetParam());
  });
  Client client(through(proxy.url("")));
  const auto evidence = client.call(post("https://api.example/v1?secret=1")).evidence;
  EXPECT_FALSE(evidence.begun);
  EXPECT_FALSE(evidence.got_head);
  EXPECT_FALSE(evidence.complete);
  EXPECT_EQ(evidence.status, 0U);
  ASSERT_TRUE(evidence.failure);
  EXPECT_EQ(evidence.failure->code, ErrorCode::network);
  EXPECT_THAT(evidence.failure->message, HasSubstr("api.example"));
  EXPECT_THAT(evidence.failure->message, Not(HasSubstr("secret")));

  ASSERT_GE(proxy.requests().size(), 1U);
  const auto request = proxy.requests().front();
  EXPECT_TRUE(request.starts_with("CONNECT api.example:443 HTTP/1.1\r\n")) << request;
  EXPECT_THAT(request, Not(HasSubstr(std::string(key_text))));
  EXPECT_EQ(header_value(request, "authorization"), "");
}

TEST_P(ProxyRefuses, AndAFileHasNoHead) {
  const RawServer proxy([](RawConnection& connection) {
    connection.read_request();
    connection.write(GetParam());
  });
  Client client(through(proxy.url("")));
  const auto fetched = client.fetch(file("https://files.example/clip.mp4"));
  EXPECT_FALSE(fetched.head);
  EXPECT_EQ(fetched.code(), ErrorCode::network);
}

INSTANTIATE_TEST_SUITE_P(Each, ProxyRefuses,
                         ::testing::Values(http_answer("403 Forbidden", "no"),
                                           http_answer("407 Proxy Authentication Required", "no",
                                                       "Proxy-Authenticate: Basic realm=\"x\"\r\n"),
                                           http_answer("502 Bad Gateway", "no"),
                                           http_answer("302 Found", "",
                                                       "Location: http://127.0.0.1:1/\r\n"),
                                           std::string()));

class Proxied : public ::testing::Test {
 protected:
  /// Opens each tunnel, and then plays the server behind the proxy.
  RawServer::Script tunnel() {
    return [this](RawConnection& connection) {
      connection.read_request();
      connection.write("HTTP/1.1 200 Connection established\r\n\r\n");
      if (!connection.start_tls(identity_.certificate())) return;
      while (!connection.read_request().empty()) connection.write(http_answer("200 OK", "{}"));
    };
  }
  const TlsIdentity identity_{"203.0.113.1"};
};

TEST_F(Proxied, SubmissionGoesThroughTheTunnel) {
  const RawServer proxy(tunnel());
  Client client(through(proxy.url(""), identity_.file()));
  const auto answer = client.call(post("https://203.0.113.1/v1/videos/generations"));
  EXPECT_TRUE(answer.evidence.complete);
  EXPECT_EQ(answer.body, "{}");
  ASSERT_EQ(proxy.requests().size(), 2U);
  EXPECT_EQ(header_value(proxy.requests()[0], "authorization"), "");
  EXPECT_EQ(header_value(proxy.requests()[1], "authorization"), "Bearer " + std::string(key_text));
}

// The proxy's own address is usually private. That address does not matter for the check of the
// file's URL.
TEST_F(Proxied, FileIsJudgedByItsUrl) {
  const TlsIdentity public_identity("8.8.8.8");
  const RawServer proxy([&](RawConnection& connection) {
    connection.read_request();
    connection.write("HTTP/1.1 200 Connection established\r\n\r\n");
    if (!connection.start_tls(public_identity.certificate())) return;
    connection.read_request();
    connection.write(http_answer("200 OK", "x"));
  });
  Client client(through(proxy.url(""), public_identity.file()));
  auto fetch = file("https://8.8.8.8/clip.mp4");
  fetch.policy.api_is_loopback = false;
  EXPECT_EQ(client.fetch(fetch).body, "x");
  fetch.url = "https://10.0.0.1/clip.mp4";
  EXPECT_EQ(client.fetch(fetch).code(), ErrorCode::bad_response);
  EXPECT_EQ(proxy.connections(), 1U);
}

// --- the proxy's password ---

/// `me:pass word/ä` in base64.
constexpr std::string_view me_and_password = "Basic bWU6cGFzcyB3b3JkL8Ok";

std::string with_password(const RawServer& proxy, const std::string& scheme = "http") {
  return scheme + "://me:pass%20word%2F%C3%A4@127.0.0.1:" + std::to_string(proxy.port());
}

// The password goes out with the first request. The POST is sent once, with its body, and the
// service never sees the password.
TEST_F(Proxied, SendsThePasswordOfItsUriUnasked) {
  const RawServer proxy(tunnel());
  Client client(through(with_password(proxy), identity_.file()));
  const auto answer = client.call(post("https://203.0.113.1/v1/videos/generations"));
  EXPECT_TRUE(answer.evidence.complete);
  EXPECT_FALSE(answer.evidence.second_start);
  const auto requests = proxy.requests();
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_TRUE(requests[0].starts_with("CONNECT 203.0.113.1:443 HTTP/1.1\r\n")) << requests[0];
  EXPECT_EQ(header_value(requests[0], "proxy-authorization"), me_and_password);
  EXPECT_EQ(header_value(requests[1], "proxy-authorization"), "");
  EXPECT_TRUE(requests[1].ends_with("\r\n\r\n{\"model\":\"veo-3\"}")) << requests[1];
}

// The connection stays open after the 407. libsoup itself would send a second CONNECT there, to the
// proxy's own address, and wait.
TEST_F(Proxied, EndsAtARefusedPassword) {
  const RawServer proxy([](RawConnection& connection) {
    while (!connection.read_request().empty()) {
      connection.write(http_answer("407 Proxy Authentication Required", "no",
                                   "Proxy-Connection: keep-alive\r\n"
                                   "Proxy-Authenticate: Basic realm=\"x\"\r\n"));
    }
  });
  Client client(through(with_password(proxy), identity_.file()));
  const auto before = std::chrono::steady_clock::now();
  const auto evidence = client.call(post("https://203.0.113.1/v1")).evidence;
  EXPECT_LT(std::chrono::steady_clock::now() - before, 10s) << "it waited for silence to end";
  EXPECT_FALSE(evidence.begun);
  ASSERT_TRUE(evidence.failure);
  EXPECT_EQ(evidence.failure->code, ErrorCode::network);
  EXPECT_TRUE(evidence.failure->is_final);
  EXPECT_THAT(evidence.failure->message, HasSubstr("refuses the user and the password"));
  EXPECT_THAT(evidence.failure->message, HasSubstr("Nothing was sent"));
  EXPECT_THAT(evidence.failure->message, Not(HasSubstr("pass word")));
  EXPECT_THAT(evidence.failure->message, Not(HasSubstr("pass%20word")));
  EXPECT_EQ(proxy.requests().size(), 1U);
}

// A URL of plain http goes to the proxy itself, and not through a tunnel.
TEST_F(Proxied, GetsThePasswordWithAPlainRequest) {
  const RawServer proxy([](RawConnection& connection) {
    while (!connection.read_request().empty()) connection.write(http_answer("200 OK", "{}"));
  });
  Client client(through(with_password(proxy)));
  const auto answer = client.call(post("http://api.example/v1"));
  EXPECT_TRUE(answer.evidence.complete);
  const auto requests = proxy.requests();
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_TRUE(requests[0].starts_with("POST http://api.example/v1 HTTP/1.1\r\n")) << requests[0];
  EXPECT_EQ(header_value(requests[0], "proxy-authorization"), me_and_password);
  EXPECT_TRUE(requests[0].ends_with("\r\n\r\n{\"model\":\"veo-3\"}")) << requests[0];
}

TEST_F(Proxied, TheServerNeverGetsThePassword) {
  const RawServer server([](RawConnection& connection) {
    while (!connection.read_request().empty()) connection.write(http_answer("200 OK", "{}"));
  });
  auto network = through("http://me:word@127.0.0.1:" + std::to_string(refused_port()));
  network.no_proxy = {"127.0.0.0/8"};
  Client client(network);
  EXPECT_TRUE(client.call(post(server.url("/v1"))).evidence.complete);
  ASSERT_EQ(server.requests().size(), 1U);
  EXPECT_EQ(header_value(server.requests().front(), "proxy-authorization"), "");
}

// The environment's proxy is for https alone.
TEST_F(Proxied, PlainHttpGoesAroundAProxyForHttps) {
  const RawServer server([](RawConnection& connection) {
    while (!connection.read_request().empty()) connection.write(http_answer("200 OK", "{}"));
  });
  auto network = through("http://127.0.0.1:" + std::to_string(refused_port()));
  network.is_proxy_for_http = false;
  Client client(network);
  EXPECT_TRUE(client.call(post(server.url("/v1"))).evidence.complete);
  EXPECT_FALSE(client.call(post(server.url("/v1", "https"))).evidence.complete);
}

// --- SOCKS ---

class Socks : public Proxied {
 protected:
  /// A SOCKS 5 proxy (RFC 1928, 1929) that accepts one user, and then plays the server behind it,
  /// which takes one of the protocols `alpn`.
  RawServer::Script socks5(const std::vector<const char*>& alpn = {"http/1.1"}) {
    return [this, alpn](RawConnection& connection) {
      const auto hello = connection.read(2);
      const auto methods = connection.read(static_cast<unsigned char>(hello[1]));
      if (methods.find('\2') == std::string::npos) return;
      connection.write(std::string("\5\2", 2));
      connection.read(1);
      const auto user = connection.read(static_cast<unsigned char>(connection.read(1)[0]));
      const auto word = connection.read(static_cast<unsigned char>(connection.read(1)[0]));
      {
        const std::lock_guard lock(mutex_);
        credentials_ = user + ":" + word;
      }
      const bool is_good = word == "pass word/\u00e4";
      connection.write(is_good ? std::string("\1\0", 2) : std::string("\1\1", 2));
      if (!is_good) return;
      const auto request = connection.read(4);
      std::string target;
      if (request[3] == 3)
        target = connection.read(static_cast<unsigned char>(connection.read(1)[0]));
      connection.read(2);
      {
        const std::lock_guard lock(mutex_);
        target_ = target;
      }
      connection.write(std::string("\5\0\0\1\0\0\0\0\0\0", 10));
      const bool is_shaken = connection.start_tls(named_.certificate(), alpn);
      {
        const std::lock_guard lock(mutex_);
        protocol_ = connection.protocol();
      }
      if (!is_shaken) return;
      while (!connection.read_request().empty()) connection.write(http_answer("200 OK", "{}"));
    };
  }
  std::string protocol() const {
    const std::lock_guard lock(mutex_);
    return protocol_;
  }
  std::string credentials() const {
    const std::lock_guard lock(mutex_);
    return credentials_;
  }
  std::string target() const {
    const std::lock_guard lock(mutex_);
    return target_;
  }

  const TlsIdentity named_{"api.example"};

 private:
  mutable std::mutex mutex_;
  std::string credentials_;
  std::string target_;
  std::string protocol_;
};

// The proxy gets the name, for socks5 as for socks5h.
TEST_F(Socks, FiveGetsThePasswordAndTheName) {
  for (const auto* scheme : {"socks5", "socks5h", "SOCKS5H"}) {
    const RawServer proxy(socks5());
    Client client(through(with_password(proxy, scheme), named_.file()));
    const auto answer = client.call(post("https://api.example/v1"));
    EXPECT_TRUE(answer.evidence.complete)
        << scheme << (answer.evidence.failure ? answer.evidence.failure->message : "");
    EXPECT_EQ(credentials(), "me:pass word/\u00e4");
    EXPECT_EQ(target(), "api.example");
    ASSERT_EQ(proxy.requests().size(), 1U);
    EXPECT_TRUE(proxy.requests()[0].ends_with("{\"model\":\"veo-3\"}"));
  }
}

// libsoup 3.6 offers HTTP/2 through SOCKS proxies, where a POST must go over HTTP/1.1, too.
TEST_F(Socks, ASubmissionChoosesHttp1) {
  const RawServer proxy(socks5({"h2", "http/1.1"}));
  Client client(through(with_password(proxy, "socks5"), named_.file()));
  EXPECT_TRUE(client.call(post("https://api.example/v1")).evidence.complete);
  EXPECT_THAT(protocol(), AnyOf("http/1.1", ""));
  EXPECT_EQ(proxy.requests().size(), 1U);
  EXPECT_EQ(proxy.connections(), 1U);
}

TEST_F(Socks, FiveRefusesAPassword) {
  const RawServer proxy(socks5());
  Client client(through("socks5h://me:geheim@127.0.0.1:" + std::to_string(proxy.port())));
  const auto evidence = client.call(post("https://api.example/v1")).evidence;
  EXPECT_FALSE(evidence.begun);
  ASSERT_TRUE(evidence.failure);
  EXPECT_TRUE(evidence.failure->is_final);
  EXPECT_THAT(evidence.failure->message, HasSubstr("refuses the user and the password"));
  EXPECT_THAT(evidence.failure->message, Not(HasSubstr("geheim")));
}

// socks4a has no password. The address 0.0.0.1 says that the name follows.
TEST_F(Socks, FourAGetsTheName) {
  std::promise<std::string> asked;
  const RawServer proxy([&](RawConnection& connection) {
    std::string request = connection.read(8);
    for (int ends = 0; ends < 2;) {
      const auto next = connection.read(1);
      if (next.empty()) return;
      if (next[0] == '\0') ++ends;
      request += next;
    }
    asked.set_value(request.substr(8));
    connection.write(std::string("\0\x5a\0\0\0\0\0\0", 8));
    if (!connection.start_tls(named_.certificate())) return;
    while (!connection.read_request().empty()) connection.write(http_answer("200 OK", "{}"));
  });
  Client client(through("socks4a://127.0.0.1:" + std::to_string(proxy.port()), named_.file()));
  EXPECT_TRUE(client.call(post("https://api.example/v1")).evidence.complete);
  EXPECT_THAT(asked.get_future().get(), HasSubstr("api.example"));
}

// --- URIs that are no proxy's ---

class BadProxy : public ::testing::TestWithParam<const char*> {};

TEST_P(BadProxy, IsRefusedBeforeAnythingIsSent) {
  const auto thread = http::IoThread::acquire();
  std::promise<Error> refused;
  auto network = through(GetParam());
  network.proxy_name = "https_proxy";
  thread->post([&] {
    const auto opened = http::Transport::open(thread, network);
    refused.set_value(opened ? Error{} : opened.error());
  });
  const auto error = refused.get_future().get();
  EXPECT_EQ(error.code, ErrorCode::invalid_request);
  EXPECT_THAT(error.message, HasSubstr("https_proxy"));
  EXPECT_THAT(error.message, HasSubstr("http://USER:PASSWORD@HOST:PORT"));
  EXPECT_THAT(error.message, HasSubstr("socks5h"));
  EXPECT_THAT(error.message, Not(HasSubstr("geheim")));
}

INSTANTIATE_TEST_SUITE_P(Each, BadProxy,
                         ::testing::Values("ftp://u:geheim@proxy.example:21", "socks://proxy:1080",
                                           "http://me:secr@geheim@127.0.0.1:3128",
                                           "socks4://proxy:1080", "proxy.example", "http://",
                                           "http://u:geheim@:3128", "quic://geheim@proxy"));

}  // namespace
}  // namespace veo::test
