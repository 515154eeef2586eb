// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Compares thumbnails with the first frame of the clip as FFmpeg's command decodes it.
#include "thumbnail.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "clips.h"
#include "command.h"
#include "file_stream.h"

namespace veo::media {
namespace {

using test::output_of;
using test::TemporaryDirectory;

/// Makes a clip like the service's: `moov` last, BT.709, limited range.
std::string make_clip(const TemporaryDirectory& directory, const std::string& size) {
  const auto path = directory.file("clip-" + size + ".mp4");
  output_of("ffmpeg -v error -f lavfi -i testsrc2=size=" + size +
            ":rate=24 -frames:v 24 -vf scale=out_color_matrix=bt709,format=yuv420p -c:v libx264 "
            "-preset ultrafast -bf 2 -colorspace bt709 -color_primaries bt709 -color_trc bt709 " +
            path);
  return path;
}

/// Returns the mean difference of two pictures as RGB of this size, in levels of 256.
double difference(const std::string& a, const std::string& b, const std::string& size) {
  const auto pixels = [&](const std::string& file) {
    return output_of("ffmpeg -v error -i " + file + " -frames:v 1 -vf scale=" + size +
                     ":flags=area+accurate_rnd+full_chroma_int -f rawvideo -pix_fmt rgb24 -");
  };
  const auto left = pixels(a);
  const auto right = pixels(b);
  EXPECT_FALSE(left.empty());
  EXPECT_EQ(left.size(), right.size());
  double sum = 0;
  for (std::size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
    sum += std::abs(static_cast<unsigned char>(left[i]) - static_cast<unsigned char>(right[i]));
  }
  return sum / static_cast<double>(left.size());
}

void expect_first_picture(const std::string& clip, const Thumbnail& thumbnail) {
  const TemporaryDirectory directory;
  const auto file = directory.file("thumbnail.jpg");
  std::ofstream(file, std::ios::binary)
      .write(reinterpret_cast<const char*>(thumbnail.jpeg.data()),
             static_cast<std::streamsize>(thumbnail.jpeg.size()));
  const auto size = std::to_string(thumbnail.width) + ":" + std::to_string(thumbnail.height);
  EXPECT_LT(difference(clip, file, size), 6);
}

TEST(Thumbnail, IsTheFirstPicture) {
  const TemporaryDirectory directory;
  const auto path = make_clip(directory, "1280x720");
  FileStream clip(path);
  const auto made = make_thumbnail(clip, 320);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->width, 320);
  EXPECT_EQ(made->height, 180);
  expect_first_picture(path, *made);
}

TEST(Thumbnail, KeepsTheShapeAndIsNeverLargerThanTheClip) {
  const TemporaryDirectory directory;
  FileStream upright(make_clip(directory, "360x640"));
  const auto made = make_thumbnail(upright, 320);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->width, 180);
  EXPECT_EQ(made->height, 320);
  FileStream small(make_clip(directory, "64x36"));
  const auto same = make_thumbnail(small, 320);
  ASSERT_TRUE(same) << same.error().message;
  EXPECT_EQ(same->width, 64);
  EXPECT_EQ(same->height, 36);
}

TEST(Thumbnail, OfARealClipIsItsFirstPicture) {
  const auto path = test::clip_path("veo31-dialogue.mp4");
  if (!path) GTEST_SKIP() << "veo31-dialogue.mp4 is missing";
  FileStream clip(*path);
  const auto made = make_thumbnail(clip, 640);
  ASSERT_TRUE(made) << made.error().message;
  expect_first_picture(*path, *made);
  EXPECT_LT(made->jpeg.size(), 100'000U);
}

TEST(Thumbnail, OfAFileThatIsNoClipIsAnError) {
  const TemporaryDirectory directory;
  const auto path = directory.file("page.mp4");
  std::ofstream(path) << "<!DOCTYPE html><title>Not a clip</title>";
  FileStream page(path);
  const auto made = make_thumbnail(page, 320);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::bad_media);

  FileStream broken(make_clip(directory, "320x180"));
  broken.broken_at = 0;
  const auto failed = make_thumbnail(broken, 320);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::network);
}

}  // namespace
}  // namespace veo::media
