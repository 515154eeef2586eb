// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A file with offsets that cannot be corrected goes out as it was delivered, and decodes.
#include <gio/gio.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "command.h"
#include "test_pipeline.h"

namespace veo::test {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void append_number(Bytes& to, std::size_t number) {
  for (int shift = 24; shift >= 0; shift -= 8) {
    to.push_back(static_cast<std::uint8_t>(number >> shift));
  }
}

Bytes make_box(const std::string& type, const Bytes& payload) {
  Bytes box;
  append_number(box, 8 + payload.size());
  box.insert(box.end(), type.begin(), type.end());
  box.insert(box.end(), payload.begin(), payload.end());
  return box;
}

Bytes compress(const Bytes& bytes) {
  const std::unique_ptr<GConverter, decltype(&g_object_unref)> zlib(
      G_CONVERTER(g_zlib_compressor_new(G_ZLIB_COMPRESSOR_FORMAT_ZLIB, -1)), g_object_unref);
  Bytes out(2 * bytes.size() + 1000);
  gsize read = 0;
  gsize written = 0;
  GError* error = nullptr;
  const auto result =
      g_converter_convert(zlib.get(), bytes.data(), bytes.size(), out.data(), out.size(),
                          G_CONVERTER_INPUT_AT_END, &read, &written, &error);
  EXPECT_EQ(result, G_CONVERTER_FINISHED);
  g_clear_error(&error);
  out.resize(written);
  return out;
}

/// Compresses the `moov`, which is the file's last box, as QuickTime does: `cmov` has the method
/// and the compressed `moov`.
Bytes compress_moov(const Bytes& file) {
  std::size_t at = 0;
  std::size_t size = 0;
  for (; at < file.size(); at += size) {
    size = std::size_t{file[at]} << 24U | std::size_t{file[at + 1]} << 16U |
           std::size_t{file[at + 2]} << 8U | file[at + 3];
    if (std::string(file.begin() + static_cast<std::ptrdiff_t>(at) + 4,
                    file.begin() + static_cast<std::ptrdiff_t>(at) + 8) == "moov") {
      break;
    }
  }
  const auto begin = file.begin() + static_cast<std::ptrdiff_t>(at);
  const Bytes moov(begin, begin + static_cast<std::ptrdiff_t>(size));
  Bytes movie;
  append_number(movie, moov.size());
  const auto packed = compress(moov);
  movie.insert(movie.end(), packed.begin(), packed.end());
  auto boxes = make_box("dcom", {'z', 'l', 'i', 'b'});
  const auto data = make_box("cmvd", movie);
  boxes.insert(boxes.end(), data.begin(), data.end());
  Bytes out(file.begin(), begin);
  const auto last = make_box("moov", make_box("cmov", boxes));
  out.insert(out.end(), last.begin(), last.end());
  return out;
}

class Layout : public testing::Test {
 protected:
  static constexpr std::size_t frames = 48;

  /// Makes a clip with its `moov` last.
  [[nodiscard]] std::string make_clip() const {
    const auto path = directory_.file("clip.mp4");
    output_of(
        "ffmpeg -v error -y -f lavfi -i testsrc2=size=320x180:rate=24:duration=2 -f lavfi -i "
        "sine=sample_rate=48000:duration=2 -c:v libx264 -preset veryfast -pix_fmt yuv420p -c:a aac "
        "-ac 2 " +
        path + " 2>&1");
    return path;
  }

  TemporaryDirectory directory_;
};

TEST_F(Layout, ACompressedMoovGoesOutAsItIsAndDecodes) {
  const auto compressed = compress_moov(read_file(make_clip()));
  const auto path = directory_.file("compressed.mp4");
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(compressed.data()),
             static_cast<std::streamsize>(compressed.size()));
  const auto simulator = Simulator::start({"--generation-time", "0s", "--clip", path});
  const auto out = directory_.file("out.mp4");
  TestPipeline run("veosrc prompt=A ! filesink location=" + out);
  run.use(simulator);
  ASSERT_TRUE(run.finish());
  ASSERT_FALSE(run.failure()) << run.failure()->text;
  run.stop();
  EXPECT_TRUE(read_file(out) == compressed);
  // FFmpeg decodes every frame, and says nothing of errors.
  EXPECT_EQ(output_of("ffmpeg -v error -i " + out + " -f null - 2>&1"), "");
  EXPECT_EQ(
      output_of("ffmpeg -v error -i " + out + " -map 0:v:0 -f framemd5 - 2>&1 | grep -vc '^#'"),
      std::to_string(frames) + "\n");

  TestPipeline player(
      "veosrc prompt=A ! decodebin name=d d. ! video/x-raw ! queue ! fakesink name=video "
      "sync=false d. ! audio/x-raw ! queue ! fakesink sync=false");
  player.use(simulator);
  player.watch("video");
  ASSERT_TRUE(player.finish());
  EXPECT_FALSE(player.failure()) << player.failure()->text;
  player.stop();
  EXPECT_EQ(player.seen("video").size(), frames);
}

}  // namespace
}  // namespace veo::test
