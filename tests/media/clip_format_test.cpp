// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/media/clip_format.h"

#include <gtest/gtest.h>

namespace veo::media {
namespace {

ClipFormat make_format() {
  return {.video = {.codec = "h264", .width = 1280, .height = 720, .rate = {24, 1}},
          .audio = AudioFormat{.codec = "aac", .sample_rate = 48'000, .channels = 2},
          .frames = 192};
}

TEST(ClipFormat, IsDescribed) {
  auto format = make_format();
  EXPECT_EQ(describe(format), "1280x720 h264 at 24 frames/s, aac at 48000 Hz");
  format.video.rate = {24'000, 1001};
  format.audio.reset();
  EXPECT_EQ(describe(format), "1280x720 h264 at 24000/1001 frames/s, no sound");
}

TEST(ClipFormat, FollowsItsLikeWhateverItsLengthAndChannels) {
  auto clip = make_format();
  clip.frames = 24;
  clip.audio->channels = 1;
  EXPECT_EQ(find_mismatch(make_format(), clip), std::nullopt);
  clip.audio.reset();
  EXPECT_EQ(find_mismatch(make_format(), clip), std::nullopt);
  // A file with a coarse clock has such a rate.
  clip.video.rate = {24'003, 1000};
  EXPECT_EQ(find_mismatch(make_format(), clip), std::nullopt);
}

TEST(ClipFormat, FollowsNoOther) {
  const auto film = make_format();
  const auto expect_refused = [&film](const ClipFormat& clip) {
    const auto mismatch = find_mismatch(film, clip);
    ASSERT_TRUE(mismatch) << describe(clip);
    EXPECT_EQ(mismatch->code, ErrorCode::bad_media);
    EXPECT_EQ(mismatch->message, "It is " + describe(clip) + ", and cannot follow " +
                                     describe(film) + " without being encoded anew.");
  };
  auto clip = film;
  clip.video.width = 720;
  expect_refused(clip);
  clip = film;
  clip.video.codec = "hevc";
  expect_refused(clip);
  clip = film;
  clip.video.rate = {24'000, 1001};
  expect_refused(clip);
  clip = film;
  clip.audio->sample_rate = 44'100;
  expect_refused(clip);
}

}  // namespace
}  // namespace veo::media
