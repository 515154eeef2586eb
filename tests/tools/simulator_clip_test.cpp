// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Reads the simulator's clips with FFmpeg, and compares their boxes with Veo's layout.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>

#include "clips.h"
#include "command.h"
#include "frame_number.h"
#include "mp4_boxes.h"
#include "service.h"

namespace veo::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// Returns `count` consecutive numbers, beginning with `first`.
std::vector<int> count_from(int first, int count) {
  std::vector<int> numbers(static_cast<std::size_t>(count));
  std::iota(numbers.begin(), numbers.end(), first);
  return numbers;
}

std::vector<float> samples_of(const std::string& path) {
  const auto bytes = output_of("ffmpeg -v error -i " + path + " -map 0:a -ac 1 -f f32le -");
  std::vector<float> samples(bytes.size() / sizeof(float));
  std::memcpy(samples.data(), bytes.data(), samples.size() * sizeof(float));
  return samples;
}

std::string probe(const std::string& path, const std::string& entries) {
  return output_of("ffprobe -v error -of default=nw=1:nk=1 -show_entries " + entries + " " + path);
}

/// All these tests share one default clip: 192 frames of 720p.
class SimulatorClip : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const Service service({"--generation-time", "0s"});
    const auto task = service.end_of(service.create());
    ASSERT_EQ(task.at("status"), "completed") << task;
    bytes = http_request("GET", task.at("output").at("urls").at(0)).body;
    file = std::make_unique<TemporaryFile>("clip.mp4", bytes);
  }
  static void TearDownTestSuite() { file.reset(); }

  static inline std::string bytes;
  static inline std::unique_ptr<TemporaryFile> file;
};

TEST_F(SimulatorClip, NumbersEachFrame) {
  EXPECT_EQ(frame_numbers(file->path(), 1280, 720), count_from(0, 192));
}

TEST_F(SimulatorClip, HasVeosBoxes) {
  EXPECT_THAT(list_outermost_boxes(list_mp4_boxes(bytes)),
              ElementsAre("ftyp", "uuid", "mdat", "moov"));
  const auto boxes = list_mp4_boxes(bytes);
  using namespace std::string_literals;
  EXPECT_EQ(contents_of(boxes, "ftyp").at(0), "isom\0\0\2\0isomiso2avc1mp41"s);
  const auto uuid = contents_of(boxes, "uuid").at(0);
  EXPECT_EQ(uuid.substr(0, 16), "\xd8\xfe\xc3\xd6\x1b\x0e\x48\x3c\x92\x97\x58\x28\x87\x7e\xc4\x81");
  EXPECT_EQ(uuid.size() + 8, 6104U);
  EXPECT_THAT(uuid, HasSubstr("not a C2PA manifest"));

  const auto edits = contents_of(boxes, "moov.trak.edts.elst");
  ASSERT_EQ(edits.size(), 2U);
  EXPECT_EQ(number_at(edits[0], 12), 1024U);  // the media time, in 1/12288 s
  EXPECT_EQ(number_at(edits[1], 12), 2048U);  // the media time, in samples
  for (const auto& edit : edits) EXPECT_EQ(number_at(edit, 8), 8000U);  // the duration, in ms

  const auto headers = contents_of(boxes, "moov.trak.mdia.mdhd");
  EXPECT_EQ(number_at(headers.at(0), 12), 12288U);
  EXPECT_EQ(number_at(headers.at(0), 16), 192U * 512);
  EXPECT_EQ(number_at(headers.at(1), 12), 48000U);
  EXPECT_EQ(number_at(headers.at(1), 16), 377U * 1024);

  const auto sizes = contents_of(boxes, "moov.trak.mdia.minf.stbl.stsz");
  EXPECT_EQ(number_at(sizes.at(0), 8), 192U);
  EXPECT_EQ(number_at(sizes.at(1), 8), 377U);
  const auto sync = contents_of(boxes, "moov.trak.mdia.minf.stbl.stss");
  ASSERT_EQ(sync.size(), 1U);
  EXPECT_EQ(number_at(sync[0], 4), 1U);  // there is one keyframe
  EXPECT_EQ(number_at(sync[0], 8), 1U);  // the keyframe is the first frame
  const auto chunks = contents_of(boxes, "moov.trak.mdia.minf.stbl.stco");
  EXPECT_EQ(number_at(chunks.at(0), 4), 192U);  // each chunk has one video frame
  EXPECT_EQ(number_at(chunks.at(0), 8), 32U + 6104 + 8);
  EXPECT_THAT(contents_of(boxes, "moov.udta.meta").at(0), HasSubstr("gst-veo simulator"));
}

TEST_F(SimulatorClip, HasTheTreeOfARealOne) {
  const auto real = clip_path("veo31-dialogue.mp4");
  if (!real) GTEST_SKIP() << "veo31-dialogue.mp4 is missing (VEO_TEST_CLIPS names its folder)";
  std::ifstream stream(*real, std::ios::binary);
  const auto boxes = list_mp4_boxes({std::istreambuf_iterator<char>(stream), {}});
  const auto ours = list_mp4_boxes(bytes);
  EXPECT_EQ(paths_of(ours), paths_of(boxes));
  // The times and the interleaving are equal, byte by byte.
  for (const auto* path :
       {"ftyp", "moov.mvhd", "moov.trak.tkhd", "moov.trak.edts.elst", "moov.trak.mdia.mdhd",
        "moov.trak.mdia.hdlr", "moov.trak.mdia.minf.stbl.stts", "moov.trak.mdia.minf.stbl.stss",
        "moov.trak.mdia.minf.stbl.ctts", "moov.trak.mdia.minf.stbl.stsc"})
    EXPECT_EQ(contents_of(ours, path), contents_of(boxes, path)) << path;
}

TEST_F(SimulatorClip, HasVeosCodecs) {
  EXPECT_EQ(
      probe(file->path(), "stream=codec_name,profile,level,has_b_frames,start_pts,duration_ts"),
      "h264\nHigh\n2\n31\n0\n98304\naac\nLC\n0\n384000\n");
}

TEST_F(SimulatorClip, ClicksAtEachFullSecond) {
  const auto samples = samples_of(file->path());
  ASSERT_EQ(samples.size(), 384'000U);
  const auto energy = [&samples](std::size_t from, std::size_t count) {
    double sum = 0;
    for (std::size_t i = from; i < from + count; ++i) sum += double{samples[i]} * samples[i];
    return sum / static_cast<double>(count);
  };
  for (std::size_t second = 0; second < 8; ++second) {
    // A click has 240 samples. A lossy encoder smears the click, so look where its energy is.
    EXPECT_GT(energy(second * 48'000, 240), 4 * energy(second * 48'000 + 24'000, 240)) << second;
    if (second == 0) continue;
    EXPECT_GT(energy(second * 48'000, 240), 4 * energy(second * 48'000 - 240, 240)) << second;
  }
}

TEST(SimulatorLayouts, DecodeToTheSameFrames) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> layouts = {
      {"moov-last", {"ftyp", "uuid", "mdat", "moov"}},
      {"moov-first", {"ftyp", "uuid", "moov", "mdat"}},
      {"fragmented", {"ftyp", "uuid", "moov", "moof", "mdat", "moof", "mdat", "moof", "mdat"}}};
  for (const auto& [layout, boxes] : layouts) {
    // 64 frames are the shortest clip that fills AAC packets exactly: 125 packets.
    const Service service({"--generation-time", "0s", "--frames", "64", "--layout", layout});
    const auto bytes = http_request("GET", service.create_file()).body;
    const TemporaryFile file(layout + ".mp4", bytes);
    EXPECT_EQ(list_outermost_boxes(list_mp4_boxes(bytes)), boxes) << layout;
    EXPECT_EQ(frame_numbers(file.path(), 1280, 720), count_from(0, 64)) << layout;
    EXPECT_EQ(samples_of(file.path()).size(), 128'000U) << layout;
  }
}

TEST(SimulatorSizes, FollowResolutionAndAspectRatio) {
  const std::vector<std::tuple<const char*, const char*, int, int>> sizes = {
      {"720p", "9:16", 720, 1280},
      {"1080p", "16:9", 1920, 1080},
      {"1080p", "9:16", 1080, 1920},
      {"4k", "Auto", 3840, 2160}};
  const Service service({"--generation-time", "0s", "--frames", "5"});
  for (const auto& [resolution, aspect, width, height] : sizes) {
    auto body = Service::minimal();
    body["input"]["resolution"] = resolution;
    body["input"]["aspect_ratio"] = aspect;
    const auto task =
        service.end_of(Json::parse(service.submit(body).body).at("data").at("taskId"));
    EXPECT_EQ(task.at("output").at("metadata").at("resolution"), resolution);
    const TemporaryFile file("size.mp4",
                             http_request("GET", task.at("output").at("urls").at(0)).body);
    EXPECT_EQ(probe(file.path(), "stream=width,height"),
              std::to_string(width) + "\n" + std::to_string(height) + "\n");
    EXPECT_EQ(frame_numbers(file.path(), width, height), count_from(0, 5)) << resolution;
  }
}

TEST(SimulatorPrompts, AreTextAndNoMarkup) {
  const Service service({"--generation-time", "0s", "--frames", "5"});
  for (const char* prompt : {"50% & more", "<b>", "<span size='1'>&amp;", "\\n %s"}) {
    auto body = Service::minimal();
    body["input"]["prompt"] = prompt;
    const auto task =
        service.end_of(Json::parse(service.submit(body).body).at("data").at("taskId"));
    const TemporaryFile file("prompt.mp4",
                             http_request("GET", task.at("output").at("urls").at(0)).body);
    EXPECT_EQ(frame_numbers(file.path(), 1280, 720), count_from(0, 5)) << prompt;
  }
}

TEST(SimulatorExtensions, ContinueTheNumbersOrContainTheCompleteFilm) {
  for (const auto& [extend, numbers] :
       {std::pair{"continuation", count_from(24, 12)}, std::pair{"parent", count_from(12, 24)},
        std::pair{"whole", count_from(0, 36)}}) {
    const Service service({"--generation-time", "0s", "--frames", "12", "--extend", extend});
    auto id = service.create();
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ(service.end_of(id).at("status"), "completed");
      id = Json::parse(service.submit(Service::extension(id)).body).at("data").at("taskId");
    }
    const auto task = service.end_of(id);
    const TemporaryFile file("extension.mp4",
                             http_request("GET", task.at("output").at("urls").at(0)).body);
    EXPECT_EQ(frame_numbers(file.path(), 1280, 720), numbers) << extend;
    EXPECT_EQ(
        probe(file.path(), "stream=duration_ts"),
        std::to_string(numbers.size() * 512) + "\n" + std::to_string(numbers.size() * 2000) + "\n")
        << extend;
  }
}

TEST(FrameNumber, IsReadOnlyFromACompletePattern) {
  std::vector<std::uint8_t> luma(544 * 32, 16);
  const auto set = [&luma](int index, std::uint8_t value) {
    for (int y = 0; y < 32; ++y) std::fill_n(luma.begin() + y * 544 + index * 32, 32, value);
  };
  EXPECT_EQ(read_frame_number(luma.data(), 544, 544, 32), std::nullopt);  // the picture is black
  set(16, 235);
  EXPECT_EQ(read_frame_number(luma.data(), 544, 544, 32), 0U);
  set(0, 235);
  EXPECT_EQ(read_frame_number(luma.data(), 544, 544, 32), std::nullopt);  // wrong parity
  set(15, 235);
  EXPECT_EQ(read_frame_number(luma.data(), 544, 544, 32), 0x8001U);
  set(7, 128);
  EXPECT_EQ(read_frame_number(luma.data(), 544, 544, 32), std::nullopt);  // a grey bit
  EXPECT_EQ(read_frame_number(luma.data(), 544, 543, 32),
            std::nullopt);  // the picture is too small
}

}  // namespace
}  // namespace veo::test
