// SPDX-License-Identifier: LGPL-2.1-or-later
#include "avc.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace veo::media::avc {
namespace {

using testing::ElementsAre;

TEST(AvcConfiguration, HasItsParameterSets) {
  const Bytes avcc = {1, 100, 0, 31, 0xFD, 0xE1, 0, 3, 0x67, 1, 2, 1, 0, 2, 0x68, 3, 0xFD, 0xF8};
  const auto parsed = parse_configuration(avcc);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->length_size, 2U);
  EXPECT_THAT(parsed->parameter_sets, ElementsAre(Bytes{0x67, 1, 2}, Bytes{0x68, 3}));
}

TEST(AvcConfiguration, IsRefusedWhereverItIsCut) {
  const Bytes avcc = {1, 100, 0, 31, 0xFF, 0xE1, 0, 3, 0x67, 1, 2, 1, 0, 2, 0x68, 3};
  for (std::size_t size = 0; size < avcc.size(); ++size) {
    EXPECT_FALSE(parse_configuration(std::span(avcc).first(size))) << size;
  }
  EXPECT_TRUE(parse_configuration(avcc));
}

TEST(AvcRewrite, PutsParameterSetsAfterTheDelimiter) {
  const std::vector<Bytes> ahead = {{0x67, 1}, {0x68}};
  const Bytes unit = {0, 2, 9, 0x10, 0, 3, 0x65, 7, 8};
  const auto done = rewrite(unit, 2, ahead);
  ASSERT_TRUE(done);
  EXPECT_EQ(*done, (Bytes{0, 0, 0, 2, 9,    0x10, 0, 0, 0, 2,    0x67, 1,
                          0, 0, 0, 1, 0x68, 0,    0, 0, 3, 0x65, 7,    8}));
}

TEST(AvcRewrite, RefusesALengthThatReachesBeyondTheEnd) {
  EXPECT_FALSE(rewrite(Bytes{0, 0, 0, 4, 0x65, 1, 2}, 4, {}));
  EXPECT_FALSE(rewrite(Bytes{0, 0}, 4, {}));
}

}  // namespace
}  // namespace veo::media::avc
