// SPDX-License-Identifier: LGPL-2.1-or-later
#include "environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "veo/system/environment.h"

namespace veo {
namespace {

using testing::Contains;
using testing::Each;
using testing::Not;
using testing::StartsWith;

TEST(EnvironmentTest, AnEmptyVariableIsUnset) {
  const test::Environment empty("VEO_ACCOUNT", "");
  EXPECT_EQ(environment::get("VEO_ACCOUNT"), std::nullopt);
  const test::Environment full("VEO_ACCOUNT", "x");
  EXPECT_EQ(environment::get("VEO_ACCOUNT"), "x");
}

TEST(EnvironmentTest, AChildGetsNoVariableOfTheKey) {
  const test::Environment key("VEO_API_KEY", "sk-x");
  const test::Environment file("VEO_API_KEY_FILE", "/x");
  const test::Environment command("VEO_API_KEY_COMMAND", "echo sk-x");
  const test::Environment credentials("CREDENTIALS_DIRECTORY", "/x");
  const test::Environment url("VEO_API_URL", "https://a.example");
  const auto list = environment::list_for_child();
  EXPECT_THAT(list, Each(Not(StartsWith("VEO_API_KEY"))));
  EXPECT_THAT(list, Each(Not(StartsWith("CREDENTIALS_DIRECTORY"))));
  EXPECT_THAT(list, Contains("VEO_API_URL=https://a.example"));
  EXPECT_THAT(list, Contains(StartsWith("PATH=")));
}

}  // namespace
}  // namespace veo
