// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/source/film.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace veo {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(FilmSteps, AreTextAndBack) {
  const FilmSteps steps{{"a.B-1", 0, 192}, {"b_2", 0, 384}, {"c", 2, 192}};
  EXPECT_EQ(to_text(steps), "a.B-1:0:192,b_2:0:384,c:2:192");
  EXPECT_EQ(parse_film_steps(to_text(steps)), steps);
  const FilmSteps odd{{"a:0:1,b:0:2", 0, 192}, {"50%/ä b", 1, 384}};
  EXPECT_EQ(to_text(odd), "a%3A0%3A1%2Cb%3A0%3A2:0:192,50%25%2F%C3%A4%20b:1:384");
  EXPECT_EQ(parse_film_steps(to_text(odd)), odd);
  for (const auto* const text :
       {"", "a", "a:0", "a:0:", "a:0:x", "a:1:192", "a:-1:192", "a:0:192,b", "%:0:192", "a:0:192:3",
        "a:0:99999999999999999999999"}) {
    EXPECT_THAT(parse_film_steps(text), IsEmpty()) << text;
  }
}

TEST(FilmSteps, NameTheTasksWhoseFilesMakeTheFilm) {
  const FilmSteps continuations{{"a", 0, 192}, {"b", 1, 192}, {"c", 2, 192}};
  EXPECT_THAT(files_of(continuations, 3), ElementsAre("a", "b", "c"));
  EXPECT_THAT(files_of(continuations, 1), ElementsAre("a"));
  EXPECT_THAT(files_of(continuations, 0), IsEmpty());
  const FilmSteps whole{{"a", 0, 192}, {"ab", 0, 384}, {"abc", 0, 576}};
  EXPECT_THAT(files_of(whole, 3), ElementsAre("abc"));
  const FilmSteps parents{{"a", 0, 192}, {"ab", 0, 384}, {"bc", 1, 384}, {"cd", 2, 384}};
  EXPECT_THAT(files_of(parents, 3), ElementsAre("a", "bc"));
  EXPECT_THAT(files_of(parents, 4), ElementsAre("ab", "cd"));
}

}  // namespace
}  // namespace veo
