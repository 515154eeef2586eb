// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/json/prescan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace veo::json {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using namespace std::string_literals;

std::string repeated(std::string_view text, std::size_t count) {
  std::string result;
  for (std::size_t i = 0; i < count; ++i) result += text;
  return result;
}

class ValidTest : public testing::TestWithParam<std::string> {};
TEST_P(ValidTest, IsAccepted) {
  const auto scanned = prescan(GetParam());
  ASSERT_TRUE(scanned) << scanned.error().message;
  EXPECT_TRUE(scanned->empty());
}

INSTANTIATE_TEST_SUITE_P(
    All, ValidTest,
    testing::Values("{}", "[]", " \t\r\n{ } \n", "null", "true", "false", "0", "-0", "\"\"", "1.5",
                    "-1.5e-3", "1E+2", "0e0", "0.0", "123456789012345678", "9223372036854775807",
                    "-9223372036854775808", R"({"a":1,"b":[1,2,{"c":null}],"":{}})",
                    R"([[],[[]],{"a":[]}])", R"("\"\\\/\b\f\n\r\t\u00e9\uD83D\ude00")",
                    "\"山脉 😀 \x7f\"", R"({"a":"it's // no # comment /* at all */"})",
                    R"({"a":1,"a":2})", "\"\\u0001\"",
                    R"("\ud800\udc00\uDBFF\uDFFF\ud7ff\ue000")"));

struct Refused {
  std::string text;
  std::size_t offset;
};
class RefusedTest : public testing::TestWithParam<Refused> {};
TEST_P(RefusedTest, NamesTheByte) {
  const auto scanned = prescan(GetParam().text);
  ASSERT_FALSE(scanned) << GetParam().text;
  EXPECT_EQ(scanned.error().code, ErrorCode::bad_response);
  EXPECT_THAT(scanned.error().message,
              HasSubstr(" byte " + std::to_string(GetParam().offset) + ": "))
      << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    Grammar, RefusedTest,
    testing::Values(Refused{"", 0}, Refused{"  ", 2}, Refused{"{", 1}, Refused{"[", 1},
                    Refused{"}", 0}, Refused{"]", 0}, Refused{"[1", 2}, Refused{"[1,", 3},
                    Refused{"[1,]", 3}, Refused{"[,1]", 1}, Refused{"[1 2]", 3}, Refused{"[1}", 2},
                    Refused{"{]", 1}, Refused{"{\"a\"}", 4}, Refused{"{\"a\":}", 5},
                    Refused{"{\"a\":1,}", 7}, Refused{"{\"a\" 1}", 5}, Refused{"{a:1}", 1},
                    Refused{"{1:1}", 1}, Refused{"{,}", 1}, Refused{"{\"a\":1 \"b\":2}", 7},
                    Refused{"{\"a\":1]", 6}, Refused{"{'a':1}", 1},
                    // There must be exactly one document.
                    Refused{"{}{}", 2}, Refused{"{} {}", 3}, Refused{"1 2", 2}, Refused{"{},", 2},
                    Refused{"null x", 5}, Refused{"// c\n{}", 0}, Refused{"/* c */{}", 0},
                    Refused{"{}// c", 2}, Refused{"{/* c */}", 1}, Refused{"[1,# c\n2]", 3},
                    Refused{"\xef\xbb\xbf{}", 0}, Refused{"{}\0"s, 2}, Refused{"\f{}", 0},
                    Refused{"var a = {};", 0}));

INSTANTIATE_TEST_SUITE_P(Scalars, RefusedTest,
                         testing::Values(Refused{"nul", 0}, Refused{"NULL", 0}, Refused{"True", 0},
                                         Refused{"truex", 4}, Refused{"NaN", 0},
                                         Refused{"Infinity", 0}, Refused{"-Infinity", 1},
                                         Refused{"-", 1}, Refused{"+1", 0}, Refused{"01", 1},
                                         Refused{"-01", 2}, Refused{".5", 0}, Refused{"1.", 2},
                                         Refused{"1.e5", 2}, Refused{"1e", 2}, Refused{"1e+", 3},
                                         Refused{"0x10", 1}, Refused{"1_000", 1}, Refused{"--1", 1},
                                         Refused{"1.5.5", 3}));

INSTANTIATE_TEST_SUITE_P(
    Strings, RefusedTest,
    testing::Values(Refused{"\"", 1}, Refused{"\"a", 2}, Refused{"\"a\\\"", 4}, Refused{"\"\\", 2},
                    Refused{"\"\\x41\"", 2}, Refused{"\"\\'\"", 2}, Refused{"\"\\u12\"", 2},
                    Refused{"\"\\u12G4\"", 2}, Refused{"\"\\u+123\"", 2}, Refused{"\"\\u 123\"", 2},
                    Refused{"\"\\u\"", 2}, Refused{"\"a\nb\"", 2}, Refused{"\"a\tb\"", 2},
                    Refused{"\"a\x01\"", 2},
                    // A NUL, as a byte or as an escape. json-glib would cut the string there.
                    Refused{"\"x\0y\""s, 2}, Refused{"\"x\\u0000y\"", 3},
                    Refused{"{\"a\\u0000\":1}", 4},
                    // Bytes that are not UTF-8.
                    Refused{"\"\xff\"", 1}, Refused{"\"a\xc3\"", 2}, Refused{"\"\xc0\xaf\"", 1},
                    Refused{"\"\xed\xa0\x80\"", 1}, Refused{"\"\xf4\x90\x80\x80\"", 1}));

TEST(Limits, DepthIsCountedInOpenBrackets) {
  EXPECT_TRUE(prescan(repeated("[", max_depth) + repeated("]", max_depth)));
  EXPECT_TRUE(prescan(repeated("{\"a\":", max_depth) + "1" + repeated("}", max_depth)));
  // Many values on one level are not deep.
  EXPECT_TRUE(prescan("[" + repeated("[],", 1000) + "[]]"));
  const auto deep = prescan(repeated("[", max_depth + 1) + repeated("]", max_depth + 1));
  ASSERT_FALSE(deep);
  EXPECT_THAT(deep.error().message, EndsWith("byte 32: nested too deeply."));
}

TEST(Limits, AHundredThousandBracketsAreRefusedEarly) {
  for (const auto& text : {repeated("[", 100'000), repeated("{\"a\":", 100'000)}) {
    const auto scanned = prescan(text);
    ASSERT_FALSE(scanned);
    EXPECT_THAT(scanned.error().message, HasSubstr("nested too deeply"));
  }
}

TEST(Limits, LengthIsCountedInBytes) {
  const auto text = [](std::size_t size) { return "\"" + std::string(size - 2, 'x') + "\""; };
  EXPECT_TRUE(prescan(text(max_body)));
  const auto scanned = prescan(text(max_body + 1));
  ASSERT_FALSE(scanned);
  EXPECT_THAT(scanned.error().message, HasSubstr("byte 1048576: longer than is allowed"));
}

struct Repaired {
  std::string text;
  std::vector<Repair> repairs;
};
class RepairTest : public testing::TestWithParam<Repaired> {};
TEST_P(RepairTest, IsFound) {
  const auto scanned = prescan(GetParam().text);
  ASSERT_TRUE(scanned) << scanned.error().message;
  EXPECT_EQ(*scanned, GetParam().repairs) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    All, RepairTest,
    testing::Values(Repaired{"99999999999999999999", {{20, 0, ".0"}}},
                    Repaired{"[9223372036854775808,1]", {{20, 0, ".0"}}},
                    Repaired{"[-9223372036854775809]", {{21, 0, ".0"}}},
                    Repaired{"[99999999999999999999.5,99999999999999999999e1]", {}},
                    Repaired{"\"99999999999999999999\"", {}},
                    Repaired{R"("\ud800")", {{1, 6, "\\ufffd"}}},
                    Repaired{R"("\ude00\ud83d")", {{1, 6, "\\ufffd"}, {7, 6, "\\ufffd"}}},
                    Repaired{R"("\ud83d\u0041")", {{1, 6, "\\ufffd"}}},
                    Repaired{R"("\ud83d\ud83d\ude00")", {{1, 6, "\\ufffd"}}},
                    Repaired{R"("a\ud83dx")", {{2, 6, "\\ufffd"}}},
                    Repaired{R"("\ud83d\n")", {{1, 6, "\\ufffd"}}}, Repaired{R"("\\ud83d")", {}}));

}  // namespace
}  // namespace veo::json
