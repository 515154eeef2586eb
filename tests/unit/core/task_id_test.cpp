// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/task_id.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace veo {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using namespace std::string_literals;

TEST(TaskId, IsOpaque) {
  for (const auto& good : {"a"s, "cbf6b69d-4f03-4817-8ed7-94c0292184a8"s, "models/x/operations/1"s,
                           "../../evil"s, "/etc/passwd"s, ".hidden"s, "..."s, "a b%2Fc?d#e"s, " "s,
                           "-rf"s, "ä/日本"s, "\"'`$(x)\\"s, std::string(512, 'x')}) {
    EXPECT_TRUE(is_task_id(good)) << good;
    EXPECT_TRUE(check_task_id("task-id", good)) << good;
  }
}

TEST(TaskId, ThatBreaksTheRuleSaysHow) {
  const std::pair<std::string, std::string> flaws[] = {
      {"", "it has 0 bytes; a task id has 1 to 512"},
      {std::string(513, 'x'), "it has 513 bytes; a task id has 1 to 512"},
      {"a\nb", "the control character U+000A"},
      {"\x1b[2J", "the control character U+001B"},
      {"a\x7f", "the control character U+007F"},
      {"a\xc2\x9b", "the control character U+009B"},
      {"a\0b"s, "the control character U+0000"},
      {"a\xff", "not valid UTF-8"},
      {"\xc0\xaf", "not valid UTF-8"},
      {"\xed\xa0\x80", "not valid UTF-8"},
      {".", "no URL can carry"},
      {"..", "no URL can carry"},
  };
  for (const auto& [text, flaw] : flaws) {
    EXPECT_FALSE(is_task_id(text)) << flaw;
    const auto checked = check_task_id("extend-task-id", text);
    ASSERT_FALSE(checked) << flaw;
    EXPECT_EQ(checked.error().code, ErrorCode::invalid_request);
    EXPECT_THAT(checked.error().message, StartsWith("extend-task-id is no task id: "));
    EXPECT_THAT(checked.error().message, HasSubstr(flaw));
  }
}

TEST(TaskId, IsAFileNameOrItsHash) {
  for (const auto& plain : {"a"s, "A.b_c-9"s, "-rf"s, std::string(128, 'x')}) {
    EXPECT_EQ(make_task_file_stem(plain), plain);
  }
  // sha256sum(1) computed these hashes.
  EXPECT_EQ(make_task_file_stem("models/x/operations/1"),
            "sha256-937d65f868b4401c9287d6befc0eda91e8b1265feb924eae20bdf480b7e67081");
  for (const auto& other : {"../../evil"s, "/etc/passwd"s, ".hidden"s, "a b"s, "ä"s, "a%2Fb"s,
                            std::string(129, 'x'), std::string(512, '/')}) {
    const auto stem = make_task_file_stem(other);
    EXPECT_THAT(stem, StartsWith("sha256-")) << other;
    EXPECT_EQ(stem.size(), 7U + 64U) << other;
    EXPECT_EQ(stem.find_first_not_of("sha256-0123456789abcdef"), std::string::npos) << other;
  }
}

TEST(TaskId, IsAWordForAShell) {
  EXPECT_EQ(make_task_property("abc-1.2_3"), "task-id=abc-1.2_3");
  EXPECT_EQ(make_task_property("models/x/1"), "task-id=models/x/1");
  EXPECT_EQ(make_task_property("a b"), "'task-id=a b'");
  EXPECT_EQ(make_task_property("$(reboot)"), "'task-id=$(reboot)'");
  EXPECT_EQ(make_task_property("it's"), "'task-id=it'\\''s'");
}

}  // namespace
}  // namespace veo
