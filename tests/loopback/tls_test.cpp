// SPDX-License-Identifier: LGPL-2.1-or-later
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client.h"
#include "raw_server.h"
#include "resolver.h"

namespace veo::test {
namespace {

class Tls : public ::testing::Test {
 protected:
  static http::Network trusting(const std::string& file) {
    return {.proxy = "", .ssl_ca_file = file, .tls_database = {}, .user_agent = ""};
  }

  const TlsIdentity identity_{"127.0.0.1"};
  const RawServer server_{[this](RawConnection& connection) {
    if (!connection.start_tls(identity_.certificate())) return;
    while (!connection.read_request().empty()) connection.write(http_answer("200 OK", "{}"));
  }};
};

TEST_F(Tls, RefusesAStrangerBeforeAnythingIsSent) {
  Client client;
  const auto evidence = client.call(post(server_.url("/", "https"))).evidence;
  EXPECT_FALSE(evidence.begun);
  ASSERT_TRUE(evidence.failure);
  EXPECT_EQ(evidence.failure->code, ErrorCode::tls);
  EXPECT_EQ(client.fetch(file(server_.url("/", "https"))).code(), ErrorCode::tls);
  EXPECT_TRUE(server_.requests().empty());
}

TEST_F(Tls, TrustsTheCaFile) {
  Client client(trusting(identity_.file()));
  const auto answer = client.call(post(server_.url("/", "https")));
  EXPECT_TRUE(answer.evidence.complete);
  EXPECT_EQ(answer.body, "{}");
  EXPECT_EQ(client.fetch(file(server_.url("/", "https"))).body, "{}");
}

TEST_F(Tls, TrustsTheDatabaseBeforeTheCaFile) {
  const std::shared_ptr<GTlsDatabase> database(
      g_tls_file_database_new(identity_.file().c_str(), nullptr), g_object_unref);
  Client client(
      {.proxy = "", .ssl_ca_file = "/nonexistent", .tls_database = database, .user_agent = ""});
  EXPECT_TRUE(client.call(post(server_.url("/", "https"))).evidence.complete);
}

TEST_F(Tls, WantsTheRightName) {
  const Resolver resolver("api.example", {"127.0.0.1"});
  Client client(trusting(identity_.file()));
  const auto evidence =
      client.call(post("https://api.example:" + std::to_string(server_.port()) + "/")).evidence;
  EXPECT_FALSE(evidence.begun);
  ASSERT_TRUE(evidence.failure);
  EXPECT_EQ(evidence.failure->code, ErrorCode::tls);
}

TEST(TlsPeer, ThatSpeaksSomethingElseHasGotNothing) {
  const RawServer plain([](RawConnection& connection) {
    connection.read(1);
    connection.write("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    connection.read_to_end();
  });
  Client client;
  const auto evidence = client.call(post(plain.url("/", "https"))).evidence;
  EXPECT_FALSE(evidence.begun);
  EXPECT_FALSE(evidence.got_head);
  EXPECT_EQ(evidence.status, 0U);
  EXPECT_TRUE(evidence.failure);
}

TEST(TlsPeer, ThatHangsUpHasGotNothing) {
  const RawServer gone([](RawConnection& connection) {
    connection.read(1);
    connection.reset();
  });
  Client client;
  const auto evidence = client.call(post(gone.url("/", "https"))).evidence;
  EXPECT_FALSE(evidence.begun);
  EXPECT_TRUE(evidence.failure);
}

}  // namespace
}  // namespace veo::test
