// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/source/film.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace veo {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

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
