// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/secret.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace veo {
namespace {

// Test case 2 of RFC 4231.
TEST(SecretMark, IsHmacSha256UnderTheSalt) {
  EXPECT_EQ(Secret(std::string("what do ya want for nothing?")).make_mark("Jefe"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(SecretMark, TellsKeysApartAndSaysNothingElse) {
  const Secret key(std::string("sk-live-0123456789"));
  const auto mark = key.make_mark("salt");
  EXPECT_EQ(mark, Secret(key).make_mark("salt"));
  EXPECT_NE(mark, Secret(std::string("sk-live-0123456780")).make_mark("salt"));
  EXPECT_NE(mark, key.make_mark("another ledger's"));
  EXPECT_NE(mark, Secret().make_mark("salt"));
  EXPECT_EQ(mark.size(), 64U);
  EXPECT_THAT(mark, testing::Not(testing::HasSubstr("sk-")));
}

TEST(Secret, IsGoneFromWhereItWasMovedFrom) {
  Secret key(std::string("sk-live-0123456789"));
  const auto mark = key.make_mark("salt");
  Secret taken(std::move(key));
  EXPECT_TRUE(key.empty());  // NOLINT(bugprone-use-after-move): the test reads it on purpose
  EXPECT_EQ(taken.make_mark("salt"), mark);
  key = std::move(taken);
  EXPECT_TRUE(taken.empty());  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(key.make_mark("salt"), mark);
}

TEST(Secret, LosesTheWhiteSpaceAtItsEnds) {
  for (const std::string text : {"sk-a", "sk-a\n", "sk-a\r\n", " \t sk-a \v\f\n\n", "\nsk-a"}) {
    Secret key(text);
    key.trim();
    EXPECT_EQ(key, Secret(std::string("sk-a"))) << testing::PrintToString(text);
  }
  Secret blank(std::string(" \r\n\t"));
  blank.trim();
  EXPECT_TRUE(blank.empty());
}

TEST(Secret, IsAHeadersValueIfEachCharacterIsVisibleAscii) {
  EXPECT_TRUE(Secret(std::string("sk-A9_!~")).is_header_value());
  for (const std::string& text :
       {std::string(), std::string("a b"), std::string("a\nb"), std::string("a\r\nX-Y: b"),
        std::string("a\0b", 3), std::string("a\x7F"), std::string("\xC3\xA9")}) {
    EXPECT_FALSE(Secret(text).is_header_value()) << testing::PrintToString(text);
  }
}

}  // namespace
}  // namespace veo
