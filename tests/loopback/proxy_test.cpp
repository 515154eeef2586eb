// SPDX-License-Identifier: LGPL-2.1-or-later
//
// An answer of a proxy is not an answer of the service.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client.h"
#include "raw_server.h"

namespace veo::test {
namespace {

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
  fetch.api_is_loopback = false;
  EXPECT_EQ(client.fetch(fetch).body, "x");
  fetch.url = "https://10.0.0.1/clip.mp4";
  EXPECT_EQ(client.fetch(fetch).code(), ErrorCode::bad_response);
  EXPECT_EQ(proxy.connections(), 1U);
}

TEST_F(Proxied, TheProxysUriMayHoldItsPassword) {
  const RawServer proxy([this](RawConnection& connection) {
    const auto request = connection.read_request();
    if (header_value(request, "proxy-authorization").empty()) {
      connection.write(http_answer("407 Proxy Authentication Required", "no",
                                   "Connection: close\r\n"
                                   "Proxy-Authenticate: Basic realm=\"x\"\r\n"));
      return;
    }
    connection.write("HTTP/1.1 200 Connection established\r\n\r\n");
    if (!connection.start_tls(identity_.certificate())) return;
    connection.read_request();
    connection.write(http_answer("200 OK", "{}"));
  });
  Client client(
      through("http://me:word@127.0.0.1:" + std::to_string(proxy.port()), identity_.file()));
  const auto evidence = client.call(post("https://203.0.113.1/v1")).evidence;
  EXPECT_TRUE(evidence.complete);
  EXPECT_FALSE(evidence.second_start);
}

}  // namespace
}  // namespace veo::test
