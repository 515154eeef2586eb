// SPDX-License-Identifier: LGPL-2.1-or-later
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <future>
#include <string>

#include "client.h"
#include "raw_server.h"
#include "resolver.h"

namespace veo::test {
namespace {

using ::testing::HasSubstr;

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

/// Returns the error of a transport for the CA file.
Error open_with(const std::string& ca_file) {
  const auto thread = http::IoThread::acquire();
  std::promise<Error> ended;
  thread->post([&] {
    http::Network network{.proxy = "", .ssl_ca_file = ca_file};
    network.ca_name = "SSL_CERT_FILE";
    const auto opened = http::Transport::open(thread, network);
    ended.set_value(opened ? Error{} : opened.error());
  });
  return ended.get_future().get();
}

TEST(CaFile, ThatCannotBeReadIsNamedWithItsVariable) {
  const auto error = open_with("/nonexistent/ca.pem");
  EXPECT_EQ(error.code, ErrorCode::tls);
  EXPECT_THAT(error.message, HasSubstr("/nonexistent/ca.pem (SSL_CERT_FILE)"));
  EXPECT_THAT(error.message, HasSubstr("No such file"));
}

// Nobody writes to the FIFO, so a read would wait for ever, on the I/O thread.
TEST(CaFile, MustBeARegularFile) {
  const std::string fifo = ::testing::TempDir() + "veo-ca-fifo-" + std::to_string(::getpid());
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  const auto error = open_with(fifo);
  ::unlink(fifo.c_str());
  EXPECT_EQ(error.code, ErrorCode::tls);
  EXPECT_THAT(error.message, HasSubstr("not a regular file"));
  EXPECT_THAT(open_with("/tmp").message, HasSubstr("not a regular file"));
}

// Plain http is allowed for such a name, so the name must not leave this machine, whatever a
// resolver says (RFC 6761, section 6.3).
TEST(LoopbackName, LeadsToThisMachineByItself) {
  const Resolver resolver("api.localhost", {"192.0.2.1"});
  const RawServer server([](RawConnection& connection) {
    while (!connection.read_request().empty()) connection.write(http_answer("200 OK", "{}"));
  });
  Client client;
  const auto url = "http://api.localhost:" + std::to_string(server.port()) + "/v1";
  EXPECT_TRUE(client.call(post(url)).evidence.complete);
}

}  // namespace
}  // namespace veo::test
