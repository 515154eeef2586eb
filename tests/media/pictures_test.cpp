// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/media/pictures.h"

#include <gtest/gtest.h>

namespace veo::media {
namespace {

std::vector<Picture> make_pictures(std::size_t count, std::uint8_t luma) {
  std::vector<Picture> pictures(count);
  for (auto& picture : pictures) picture.luma.fill(luma);
  return pictures;
}

TEST(Pictures, AreAlikeUpToTheNoiseOfAnEncoder) {
  const auto pictures = make_pictures(3, 100);
  EXPECT_TRUE(are_alike(pictures, pictures));
  EXPECT_TRUE(are_alike(pictures, make_pictures(3, 104)));
  EXPECT_FALSE(are_alike(pictures, make_pictures(3, 105)));
  EXPECT_FALSE(are_alike(pictures, make_pictures(3, 95)));
}

TEST(Pictures, AreComparedOneByOne) {
  const auto pictures = make_pictures(3, 100);
  auto other = pictures;
  other[2].luma.fill(120);
  EXPECT_FALSE(are_alike(pictures, other));
  EXPECT_FALSE(are_alike(pictures, make_pictures(2, 100)));
  EXPECT_FALSE(are_alike({}, {})) << "of no pictures nothing is known";
}

}  // namespace
}  // namespace veo::media
