// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/clip_tags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace veo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST(ClipTags, WithoutAPromptTheTitleNamesTheTask) {
  const auto tags = make_clip_tags("cbf6b69d", "", std::nullopt);
  EXPECT_EQ(tags.title, "Veo task cbf6b69d");
  EXPECT_THAT(tags.description, IsEmpty());
  EXPECT_THAT(tags.task_ids, ElementsAre("cbf6b69d"));
  EXPECT_THAT(tags.date, IsEmpty());
  EXPECT_EQ(tags.application, "gst-veo " VEO_VERSION);
}

TEST(ClipTags, ThePromptIsTheDescriptionAndTheTitle) {
  const auto tags = make_clip_tags("1", "a dog\nin a park", std::nullopt);
  EXPECT_EQ(tags.title, "a dog in a park");
  EXPECT_EQ(tags.description, "a dog\nin a park");
}

struct Date {
  std::int64_t seconds;
  const char* text;
};
class ClipDate : public testing::TestWithParam<Date> {};

TEST_P(ClipDate, IsInUtc) {
  EXPECT_EQ(make_clip_tags("1", "", GetParam().seconds).date, GetParam().text);
}

INSTANTIATE_TEST_SUITE_P(Dates, ClipDate,
                         testing::Values(Date{1'774'790'227, "2026-03-29T13:17:07Z"},
                                         Date{0, "1970-01-01T00:00:00Z"},
                                         Date{1'709'164'800, "2024-02-29T00:00:00Z"},
                                         Date{253'402'300'799, "9999-12-31T23:59:59Z"},
                                         Date{253'402'300'800, ""}, Date{-1, ""},
                                         Date{std::numeric_limits<std::int64_t>::max(), ""}));

struct Shortening {
  const char* prompt;
  const char* title;
};
class ShortPrompt : public testing::TestWithParam<Shortening> {};

TEST_P(ShortPrompt, EndsAtAWord) {
  EXPECT_EQ(shorten_prompt(GetParam().prompt, 10), GetParam().title);
}

INSTANTIATE_TEST_SUITE_P(
    Prompts, ShortPrompt,
    testing::Values(
        Shortening{"a dog", "a dog"}, Shortening{"0123456789", "0123456789"},
        Shortening{"01234567890", "012345678…"}, Shortening{"a dog in a park", "a dog in…"},
        Shortening{"012345678 a", "012345678…"}, Shortening{"0123456789 a", "012345678…"},
        Shortening{" \t a \r\n\x7f dog \n", "a dog"}, Shortening{"", ""}, Shortening{" \n", ""},
        // Ten characters of two and more bytes.
        Shortening{"äöüßäöüßäö", "äöüßäöüßäö"}, Shortening{"äöüßäöüßäöü", "äöüßäöüßä…"},
        Shortening{"公园里有一只可爱的小狗在奔跑", "公园里有一只可爱的…"}));

TEST(ClipTags, EachTaskHasALineInTheComment) {
  EXPECT_EQ(make_comment({.title = "", .task_ids = {"a b", "c,d"}}),
            "veo-task-id=a b\nveo-task-id=c,d");
  EXPECT_THAT(make_comment({}), IsEmpty());
}

TEST(ClipTags, AFilmCountsItsClips) {
  const auto tags = make_film_tags({"1", "2"}, 3);
  EXPECT_EQ(tags.title, "Veo film of 3 clips");
  EXPECT_THAT(tags.task_ids, ElementsAre("1", "2"));
  EXPECT_THAT(tags.description, IsEmpty());
}

}  // namespace
}  // namespace veo
