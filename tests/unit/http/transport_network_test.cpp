// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/http/transport_network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace veo {
namespace {

using testing::IsEmpty;

class NetworkTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "http_proxy",
                             "no_proxy", "NO_PROXY", "VEO_CA_FILE", "SSL_CERT_FILE"}) {
      ::unsetenv(name);
    }
  }
};

TEST_F(NetworkTest, WithoutAProxyThereIsNone) {
  ::setenv("http_proxy", "http://plain.example:3128", 1);
  EXPECT_EQ(transport_network({}).proxy, "") << "plain http needs no proxy";
}

TEST_F(NetworkTest, TheEnvironmentsProxySkipsLoopbackAndTheHostsOfNoProxy) {
  ::setenv("https_proxy", "proxy.example:3128", 1);
  ::setenv("no_proxy", "a.example , .b.example,", 1);
  const auto network = transport_network({});
  EXPECT_EQ(network.proxy, "http://proxy.example:3128");
  EXPECT_THAT(network.no_proxy, testing::ElementsAre("a.example", ".b.example", "localhost",
                                                     "*.localhost", "127.0.0.0/8", "::1"));
}

TEST_F(NetworkTest, TheSettingGoesBeforeTheEnvironment) {
  ::setenv("https_proxy", "http://proxy.example:3128", 1);
  const auto network = transport_network({.proxy = "http://mine.example:8080"});
  EXPECT_EQ(network.proxy, "http://mine.example:8080");
  EXPECT_THAT(network.no_proxy, IsEmpty());
  EXPECT_TRUE(network.is_proxy_for_http);
  EXPECT_EQ(network.proxy_name, "proxy");
}

TEST_F(NetworkTest, TheEnvironmentsProxyIsNamedAndForHttpsAlone) {
  ::setenv("all_proxy", "socks5h://proxy.example:1080", 1);
  const auto network = transport_network({});
  EXPECT_EQ(network.proxy, "socks5h://proxy.example:1080");
  EXPECT_EQ(network.proxy_name, "all_proxy");
  EXPECT_FALSE(network.is_proxy_for_http);
}

TEST_F(NetworkTest, TheCaFileComesFromTheSettingElseFromTheEnvironment) {
  EXPECT_EQ(transport_network({}).ssl_ca_file, "");
  ::setenv("SSL_CERT_FILE", "/etc/cert.pem", 1);
  EXPECT_EQ(transport_network({}).ssl_ca_file, "/etc/cert.pem");
  EXPECT_EQ(transport_network({}).ca_name, "SSL_CERT_FILE");
  ::setenv("VEO_CA_FILE", "/etc/veo.pem", 1);
  EXPECT_EQ(transport_network({}).ssl_ca_file, "/etc/veo.pem");
  EXPECT_EQ(transport_network({}).ca_name, "VEO_CA_FILE");
  const auto network = transport_network({.ssl_ca_file = "/mine.pem"});
  EXPECT_EQ(network.ssl_ca_file, "/mine.pem");
  EXPECT_EQ(network.ca_name, "ssl-ca-file");
}

}  // namespace
}  // namespace veo
