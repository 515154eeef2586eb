// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/source/access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "veo/http/transport.h"

namespace veo {
namespace {

using testing::HasSubstr;

class AccessTest : public testing::Test {
 protected:
  void SetUp() override {
    clear_environment();
    directory_ =
        std::filesystem::temp_directory_path() / ("veo-access-test-" + std::to_string(::getpid()));
    std::filesystem::create_directories(directory_);
  }
  void TearDown() override {
    clear_environment();
    std::filesystem::remove_all(directory_);
  }

  static void clear_environment() {
    for (const char* name : {"VEO_API_URL", "VEO_API_KEY", "VEO_API_KEY_FILE", "VEO_CATALOG",
                             "CREDENTIALS_DIRECTORY"}) {
      ::unsetenv(name);
    }
  }

  std::string key_file(const std::string& name, const std::string& text, mode_t mode) {
    const auto path = directory_ / name;
    std::ofstream(path, std::ios::binary) << text;
    ::chmod(path.c_str(), mode);
    return path;
  }

  static std::string key_of(const Result<Access>& access) {
    return access ? http::Authorization::header(access->key) : "no key: " + access.error().message;
  }

  std::filesystem::path directory_;
};

TEST_F(AccessTest, WithoutAKeySaysHowToTryTheSimulator) {
  const auto access = resolve_access({});
  ASSERT_FALSE(access);
  EXPECT_EQ(access.error().code, ErrorCode::missing_api_key);
  EXPECT_THAT(access.error().message, HasSubstr("veo-simulator"));
}

TEST_F(AccessTest, TheKeyComesFromTheFirstSourceThatIsSet) {
  ::setenv("VEO_API_KEY", "sk-environment", 1);
  EXPECT_EQ(key_of(resolve_access({})), "Bearer sk-environment");
  (void)key_file("veo-api-key", "sk-credentials\n", 0600);
  ::setenv("CREDENTIALS_DIRECTORY", directory_.c_str(), 1);
  EXPECT_EQ(key_of(resolve_access({})), "Bearer sk-credentials");
  ::setenv("VEO_API_KEY_FILE", key_file("a", "sk-environment-file", 0400).c_str(), 1);
  EXPECT_EQ(key_of(resolve_access({})), "Bearer sk-environment-file");
  AccessOptions options;
  options.api_key_file = key_file("b", "sk-file\r\n", 0600);
  EXPECT_EQ(key_of(resolve_access(options)), "Bearer sk-file");
  options.api_key = Secret("sk-property");
  EXPECT_EQ(key_of(resolve_access(options)), "Bearer sk-property");
}

TEST_F(AccessTest, AnEmptyVariableIsUnset) {
  ::setenv("VEO_API_KEY_FILE", "", 1);
  ::setenv("VEO_API_KEY", "sk-x", 1);
  EXPECT_EQ(key_of(resolve_access({})), "Bearer sk-x");
}

TEST_F(AccessTest, AKeyFileThatOthersMayReadIsRefused) {
  for (const mode_t mode : {0604U, 0640U, 0644U, 0666U}) {
    AccessOptions options;
    options.api_key_file = key_file("open", "sk-secret-text", mode);
    const auto access = resolve_access(options);
    ASSERT_FALSE(access) << std::oct << mode;
    EXPECT_EQ(access.error().code, ErrorCode::invalid_api_key);
    EXPECT_THAT(access.error().message, HasSubstr("chmod 600"));
    EXPECT_THAT(access.error().message, testing::Not(HasSubstr("sk-secret-text")));
  }
}

TEST_F(AccessTest, AFileThatHoldsNoKeyIsRefused) {
  for (const std::string& text : {std::string(), std::string("\n"), std::string("sk-a\nsk-b"),
                                  std::string("sk-\0x", 5), std::string(5000, 'k')}) {
    AccessOptions options;
    options.api_key_file = key_file("bad", text, 0600);
    const auto access = resolve_access(options);
    ASSERT_FALSE(access);
    EXPECT_EQ(access.error().code, ErrorCode::invalid_api_key);
  }
  AccessOptions options;
  options.api_key_file = directory_ / "missing";
  EXPECT_EQ(resolve_access(options).error().code, ErrorCode::invalid_api_key);
  options.api_key_file = directory_;
  EXPECT_EQ(resolve_access(options).error().code, ErrorCode::invalid_api_key);
}

TEST_F(AccessTest, TheEnvironmentsKeyGoesOnlyToTheEnvironmentsService) {
  ::setenv("VEO_API_KEY", "sk-environment", 1);
  AccessOptions options;
  options.api_url = "https://elsewhere.example/v1";
  auto access = resolve_access(options);
  ASSERT_FALSE(access);
  EXPECT_EQ(access.error().code, ErrorCode::missing_api_key);
  EXPECT_THAT(access.error().message, HasSubstr("elsewhere.example"));

  ::setenv("VEO_API_URL", "https://elsewhere.example:443/other", 1);
  EXPECT_EQ(key_of(resolve_access(options)), "Bearer sk-environment") << "the same origin";
  options.api_url = "https://elsewhere.example:444/v1";
  EXPECT_FALSE(resolve_access(options)) << "another port";
  options.api_key = Secret("sk-explicit");
  EXPECT_EQ(key_of(resolve_access(options)), "Bearer sk-explicit");
}

TEST_F(AccessTest, TheApiIsHttpsOrLoopback) {
  AccessOptions options;
  options.api_key = Secret("sk-x");
  for (const char* good : {"https://a.example/v1", "http://127.0.0.1:8080/v1", "http://[::1]/v1"}) {
    options.api_url = good;
    EXPECT_TRUE(resolve_access(options)) << good;
  }
  for (const char* bad : {"http://a.example/v1", "ftp://a.example", "a.example", "https://"}) {
    options.api_url = bad;
    const auto access = resolve_access(options);
    ASSERT_FALSE(access) << bad;
    EXPECT_EQ(access.error().code, ErrorCode::invalid_request);
  }
}

TEST_F(AccessTest, TheEnvironmentMayNameACatalog) {
  EXPECT_TRUE(load_catalog());
  ::setenv("VEO_CATALOG", (directory_ / "missing.json").c_str(), 1);
  EXPECT_EQ(load_catalog().error().code, ErrorCode::invalid_request);
  ::setenv("VEO_CATALOG", key_file("catalog.json", "{}", 0600).c_str(), 1);
  const auto catalog = load_catalog();
  ASSERT_FALSE(catalog);
  EXPECT_THAT(catalog.error().message, HasSubstr("catalog.json"));
}

// A key of somebody else must not reach the built-in service.
TEST_F(AccessTest, AKeyOfAnotherKindIsNotForTheBuiltInService) {
  for (const char* key : {"AIzaSyA-key-of-googles", "Bearer-sk-1", "SK-upper", "xsk-1"}) {
    AccessOptions options;
    options.api_key = Secret(std::string(key));
    const auto refused = resolve_access(options);
    ASSERT_FALSE(refused) << key;
    EXPECT_EQ(refused.error().code, ErrorCode::invalid_api_key);
    EXPECT_THAT(refused.error().message,
                testing::AllOf(HasSubstr("api.aivideoapi.ai"), HasSubstr("not Google"),
                               HasSubstr("is not sent there"), testing::Not(HasSubstr(key))));
    options.api_url = "https://another.example/v1";
    EXPECT_TRUE(resolve_access(options)) << key;
  }
}

TEST_F(AccessTest, TheEnvironmentsKeyOfAnotherKindIsNotSentEither) {
  ::setenv("VEO_API_KEY", "AIza-environment", 1);
  ASSERT_FALSE(resolve_access({}));
  ::setenv("VEO_API_KEY", "sk-environment", 1);
  EXPECT_TRUE(resolve_access({}));
}

}  // namespace
}  // namespace veo
