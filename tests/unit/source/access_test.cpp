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
                             "VEO_API_KEY_COMMAND", "CREDENTIALS_DIRECTORY"}) {
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

  static Result<Access> resolve(const AccessOptions& options) {
    AccessProgress progress;
    return resolve_access(options, progress);
  }

  std::filesystem::path directory_;
};

TEST_F(AccessTest, WithoutAKeySaysHowToTryTheSimulator) {
  const auto access = resolve({});
  ASSERT_FALSE(access);
  EXPECT_EQ(access.error().code, ErrorCode::missing_api_key);
  EXPECT_THAT(access.error().message, HasSubstr("veo-simulator"));
}

TEST_F(AccessTest, TheEnvironmentsKeyGoesOnlyToTheEnvironmentsService) {
  ::setenv("VEO_API_KEY", "sk-environment", 1);
  AccessOptions options;
  options.api_url = "https://elsewhere.example/v1";
  auto access = resolve(options);
  ASSERT_FALSE(access);
  EXPECT_EQ(access.error().code, ErrorCode::missing_api_key);
  EXPECT_THAT(access.error().message, HasSubstr("elsewhere.example"));

  ::setenv("VEO_API_URL", "https://elsewhere.example:443/other", 1);
  EXPECT_EQ(key_of(resolve(options)), "Bearer sk-environment") << "the same origin";
  options.api_url = "https://elsewhere.example:444/v1";
  EXPECT_FALSE(resolve(options)) << "another port";
  options.api_key = Secret("sk-explicit");
  EXPECT_EQ(key_of(resolve(options)), "Bearer sk-explicit");
}

TEST_F(AccessTest, TheApiIsHttpsOrLoopback) {
  AccessOptions options;
  options.api_key = Secret("sk-x");
  for (const char* good : {"https://a.example/v1", "http://127.0.0.1:8080/v1", "http://[::1]/v1"}) {
    options.api_url = good;
    EXPECT_TRUE(resolve(options)) << good;
  }
  for (const char* bad : {"http://a.example/v1", "ftp://a.example", "a.example", "https://"}) {
    options.api_url = bad;
    const auto access = resolve(options);
    ASSERT_FALSE(access) << bad;
    EXPECT_EQ(access.error().code, ErrorCode::invalid_request);
  }
}

TEST_F(AccessTest, TheEnvironmentMayNameACatalog) {
  EXPECT_TRUE(load_catalog());
  ::setenv("VEO_CATALOG", key_file("catalog.json", "{}", 0600).c_str(), 1);
  const auto catalog = load_catalog();
  ASSERT_FALSE(catalog);
  EXPECT_THAT(catalog.error().message, HasSubstr("catalog.json"));
  ::setenv("VEO_CATALOG", VEO_SOURCE_ROOT "/data/catalog.json", 1);
  EXPECT_TRUE(load_catalog());
}

TEST_F(AccessTest, ACatalogThatIsNoSmallFileIsRefused) {
  ::mkfifo((directory_ / "fifo").c_str(), 0600);
  (void)key_file("large", std::string((1U << 20U) + 1, ' '), 0600);
  (void)key_file("bytes", "{\"generation\": \"\xFF\"}", 0600);
  struct Case {
    std::string path;
    const char* why;
  };
  const Case cases[] = {
      {directory_, "it is a directory"},
      {directory_ / "fifo", "it is a pipe"},
      {"/dev/zero", "it is a device"},
      {directory_ / "missing.json", "No such file or directory"},
      {directory_ / "large", "it has more than 1048576 bytes"},
      {directory_ / "bytes", "UTF-8"},
  };
  for (const auto& one : cases) {
    ::setenv("VEO_CATALOG", one.path.c_str(), 1);
    const auto catalog = load_catalog();
    ASSERT_FALSE(catalog) << one.path;
    EXPECT_EQ(catalog.error().code, ErrorCode::invalid_request) << one.path;
    EXPECT_THAT(catalog.error().message, HasSubstr(one.why)) << one.path;
    EXPECT_THAT(catalog.error().message, HasSubstr("VEO_CATALOG")) << one.path;
    EXPECT_THAT(catalog.error().message, HasSubstr(one.path));
  }
}

// A key of somebody else must not reach the built-in service.
TEST_F(AccessTest, AKeyOfAnotherKindIsNotForTheBuiltInService) {
  for (const char* key : {"AIzaSyA-key-of-googles", "Bearer-sk-1", "SK-upper", "xsk-1"}) {
    AccessOptions options;
    options.api_key = Secret(std::string(key));
    const auto refused = resolve(options);
    ASSERT_FALSE(refused) << key;
    EXPECT_EQ(refused.error().code, ErrorCode::invalid_api_key);
    EXPECT_THAT(refused.error().message,
                testing::AllOf(HasSubstr("api.aivideoapi.ai"), HasSubstr("not Google"),
                               HasSubstr("is not sent there"), testing::Not(HasSubstr(key))));
    options.api_url = "https://another.example/v1";
    EXPECT_TRUE(resolve(options)) << key;
  }
}

TEST_F(AccessTest, TheEnvironmentsKeyOfAnotherKindIsNotSentEither) {
  ::setenv("VEO_API_KEY", "AIza-environment", 1);
  ASSERT_FALSE(resolve({}));
  ::setenv("VEO_API_KEY", "sk-environment", 1);
  EXPECT_TRUE(resolve({}));
}

}  // namespace
}  // namespace veo
