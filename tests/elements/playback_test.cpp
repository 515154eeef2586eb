// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Compares veosrc with filesrc on the same file: frame by frame, buffer by buffer, byte by byte.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "clips.h"
#include "command.h"
#include "frame_number.h"
#include "test_pipeline.h"

namespace veo::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Bytes = std::vector<std::uint8_t>;

Bytes bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return Bytes{std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> box_types(const Bytes& file) {
  std::vector<std::string> types;
  for (std::size_t at = 0; at + 8 <= file.size();) {
    const std::size_t size = std::size_t{file[at]} << 24 | std::size_t{file[at + 1]} << 16 |
                             std::size_t{file[at + 2]} << 8 | file[at + 3];
    types.emplace_back(file.begin() + static_cast<std::ptrdiff_t>(at) + 4,
                       file.begin() + static_cast<std::ptrdiff_t>(at) + 8);
    if (size < 8) break;
    at += size;
  }
  return types;
}

const char* const source_line = "veosrc name=src prompt=\"a dog in a park\"";

/// A clip to play: a real file, or the simulator's own clip in one of its layouts.
struct Clip {
  std::string name;
  std::vector<std::string> simulator;  ///< arguments that make the simulator serve the clip
};
void PrintTo(const Clip& clip, std::ostream* out) { *out << clip.name; }

class Playback : public testing::TestWithParam<Clip> {
 protected:
  void SetUp() override {
    auto arguments = GetParam().simulator;
    for (auto& argument : arguments) {
      if (argument != "CLIP") continue;
      const auto path = clip_path(GetParam().name + ".mp4");
      if (!path)
        GTEST_SKIP() << GetParam().name << ".mp4 is missing (VEO_TEST_CLIPS names its folder)";
      argument = *path;
    }
    arguments.insert(arguments.end(), {"--generation-time", "100ms"});
    simulator_ = std::make_unique<Simulator>(Simulator::start(arguments));
  }

  /// Downloads the file as the service delivers it, and returns its path.
  std::string original() {
    TestPipeline run(std::string(source_line) +
                     " layout=original ! filesink name=sink location=" + path_);
    run.use(*simulator_);
    EXPECT_TRUE(run.finish());
    EXPECT_FALSE(run.failure());
    task_id_ = simulator_->state().at("tasks").at(0).at("id");
    return path_;
  }

  void TearDown() override { std::filesystem::remove(path_); }

  std::unique_ptr<Simulator> simulator_;
  std::string task_id_;
  const std::string path_ = (std::filesystem::temp_directory_path() /
                             ("veo-playback-" + std::to_string(::getpid()) + ".mp4"))
                                .string();
};

TEST_P(Playback, DecodesAsTheFileItselfDoes) {
  const auto file = original();

  TestPipeline reference(decode_line("filesrc location=" + file));
  reference.watch("video");
  reference.watch("audio");
  ASSERT_TRUE(reference.finish());
  ASSERT_FALSE(reference.failure()) << reference.failure()->text;

  TestPipeline run(decode_line("veosrc name=src task-id=" + task_id_));
  run.use(*simulator_);
  run.watch("video");
  run.watch("audio");
  ASSERT_TRUE(run.finish());
  ASSERT_FALSE(run.failure()) << run.failure()->text;

  EXPECT_EQ(run.seen("video").size(), 192U);
  EXPECT_EQ(run.seen("video"), reference.seen("video"));
  EXPECT_EQ(run.seen("audio"), reference.seen("audio"));
  GstClockTime expected = 0;
  for (const auto& frame : run.seen("video")) {
    EXPECT_NEAR(static_cast<double>(frame.running_time), static_cast<double>(expected), 1e6);
    EXPECT_FALSE(frame.discont);
    expected += GST_SECOND / 24;
  }
  for (const auto& buffer : run.seen("audio")) EXPECT_FALSE(buffer.discont);
}

/// The type of the uuid box of a C2PA manifest.
const Bytes manifest_type = {0xd8, 0xfe, 0xc3, 0xd6, 0x1b, 0x0e, 0x48, 0x3c,
                             0x92, 0x97, 0x58, 0x28, 0x87, 0x7e, 0xc4, 0x81};

bool has_manifest(const Bytes& file) {
  return std::search(file.begin(), file.end(), manifest_type.begin(), manifest_type.end()) !=
         file.end();
}

/// Returns the boxes of a file, without its moov, in their order.
std::vector<Bytes> boxes_beside_moov(const Bytes& file) {
  std::vector<Bytes> boxes;
  for (std::size_t at = 0; at + 8 <= file.size();) {
    const auto begin = file.begin() + static_cast<std::ptrdiff_t>(at);
    const auto size = std::size_t{file[at]} << 24U | std::size_t{file[at + 1]} << 16U |
                      std::size_t{file[at + 2]} << 8U | file[at + 3];
    if (size < 8 || size > file.size() - at) break;
    if (std::string(begin + 4, begin + 8) != "moov") {
      boxes.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(size));
    }
    at += size;
  }
  return boxes;
}

/// Returns what takes the place of a box with a manifest: a free box of zeros. Any other box stays.
Bytes blank_manifest(const Bytes& box) {
  if (!has_manifest({box.begin(), box.begin() + std::min<std::ptrdiff_t>(24, std::ssize(box))})) {
    return box;
  }
  Bytes blank(box.size());
  std::copy_n(box.begin(), 4, blank.begin());
  const std::string type = "free";
  std::copy(type.begin(), type.end(), blank.begin() + 4);
  return blank;
}

TEST_P(Playback, StreamableHasMoovFirstAndOriginalIsBitExact) {
  const auto delivered = bytes_of(original());
  TestPipeline run("veosrc name=src task-id=" + task_id_ + " ! fakesink name=sink sync=false");
  run.use(*simulator_);
  run.watch("sink");
  ASSERT_TRUE(run.finish());
  ASSERT_FALSE(run.failure()) << run.failure()->text;
  const auto& streamed = run.bytes("sink");

  const auto types = box_types(streamed);
  const auto moov = std::find(types.begin(), types.end(), "moov");
  const auto mdat = std::find(types.begin(), types.end(), "mdat");
  ASSERT_NE(moov, types.end());
  EXPECT_LT(moov, mdat);
  EXPECT_TRUE(has_manifest(delivered));
  auto delivered_types = box_types(delivered);
  if (std::find(delivered_types.begin(), delivered_types.end(), "moov") <
      std::find(delivered_types.begin(), delivered_types.end(), "mdat")) {
    // The hash of the manifest holds, because no byte is another one.
    EXPECT_EQ(streamed, delivered) << "a file that needs no change was changed";
  } else {
    EXPECT_GT(streamed.size(), delivered.size()) << "the moved moov has no tags";
    EXPECT_FALSE(has_manifest(streamed)) << "the hash of the manifest does not hold any more";
    auto expected = boxes_beside_moov(delivered);
    for (auto& box : expected) box = blank_manifest(box);
    EXPECT_TRUE(boxes_beside_moov(streamed) == expected) << "another byte has changed";
  }
  if (const auto real = clip_path(GetParam().name + ".mp4")) {
    EXPECT_EQ(delivered, bytes_of(*real)) << "layout=original changed the file";
  }
}

TEST_P(Playback, FfmpegDecodesAllOfItFromAPipe) {
  const auto file = original();
  // Compare the frames and samples that FFmpeg decodes from stdin with those that FFmpeg decodes
  // from the file.
  const std::string launch = "gst-launch-1.0 -q veosrc task-id=" + task_id_ +
                             " api-url=" + simulator_->api_url() + " api-key=" + simulator_->key() +
                             " ! fdsink fd=1";
  const auto from_pipe =
      output_of(launch + " | ffmpeg -v error -i - -map 0:v -map 0:a -f framemd5 - | grep -v '^#'");
  const auto from_file =
      output_of("ffmpeg -v error -i " + file + " -map 0:v -map 0:a -f framemd5 - | grep -v '^#'");
  EXPECT_EQ(from_pipe, from_file);
  std::istringstream lines(from_pipe);
  unsigned frames = 0;
  std::uint64_t samples = 0;
  for (std::string line; std::getline(lines, line);) {
    // The fields are: stream, dts, pts, duration, size, hash.
    std::istringstream fields(line);
    std::string stream, dts, pts, duration;
    std::getline(fields, stream, ',');
    std::getline(fields, dts, ',');
    std::getline(fields, pts, ',');
    std::getline(fields, duration, ',');
    if (stream == "0") ++frames;
    if (stream == "1") samples += std::stoull(duration);
  }
  EXPECT_EQ(frames, 192U);
  EXPECT_EQ(samples, 384'000U);
}

INSTANTIATE_TEST_SUITE_P(Clips, Playback,
                         testing::Values(Clip{"veo31-dialogue", {"--clip", "CLIP"}},
                                         Clip{"veo30-dialogue", {"--clip", "CLIP"}},
                                         Clip{"simulated", {}},
                                         Clip{"simulated-moov-first", {"--layout", "moov-first"}},
                                         Clip{"simulated-fragmented", {"--layout", "fragmented"}},
                                         Clip{"simulated-no-ranges", {"--no-ranges"}},
                                         Clip{"simulated-chunked", {"--fault", "file:chunked"}}),
                         [](const auto& row) {
                           auto name = row.param.name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(Playback, TellsItsProgressAndItsTask) {
  const auto simulator = Simulator::start({"--generation-time", "300ms"});
  TestPipeline run(decode_line(source_line));
  run.use(simulator);
  run.watch("video");
  run.start();
  // The application can read the task from the properties before the clip has ended.
  ASSERT_TRUE(run.next(GST_MESSAGE_ASYNC_DONE));
  ASSERT_FALSE(run.failure()) << run.failure()->text;
  const auto src = run.element("src");
  gchar* id = nullptr;
  gint status = 0;
  GstStructure* stats = nullptr;
  g_object_get(src.get(), "task-id", &id, "status", &status, "stats", &stats, nullptr);
  EXPECT_EQ(id, simulator.state().at("tasks").at(0).at("id").get<std::string>());
  EXPECT_EQ(status, 3);  // the value of `completed`
  guint credits = 0;
  guint polls = 0;
  EXPECT_TRUE(gst_structure_get_uint(stats, "credits", &credits));
  EXPECT_TRUE(gst_structure_get_uint(stats, "polls", &polls));
  EXPECT_EQ(credits, 40U);
  EXPECT_EQ(polls, simulator.state().at("queries").get<guint>());
  gst_structure_free(stats);
  g_free(id);

  ASSERT_TRUE(run.next(GST_MESSAGE_EOS));
  run.stop();
  std::vector<std::string> steps;
  for (const auto& one : run.progress()) {
    if (one.type != "continue") steps.push_back(one.code + " " + one.type);
  }
  EXPECT_THAT(steps, ElementsAre("submit start", "submit complete", "generate start",
                                 "generate complete", "download start", "download complete"));
  ASSERT_GE(run.tasks().size(), 2U);
  EXPECT_EQ(run.tasks().front(), "none 40");
  EXPECT_EQ(run.tasks().back(), "completed 40");
  EXPECT_EQ(simulator.state().at("charges"), 1);
}

TEST(Playback, AStickyEventAndATagNameTheTaskBeforeTheFirstBuffer) {
  const auto simulator = Simulator::start({"--generation-time", "50ms", "--frames", "24"});
  TestPipeline run(std::string(source_line) +
                   " prompt-tag=true ! queue ! identity ! fakesink name=sink");
  run.use(simulator);
  run.start(GST_STATE_PAUSED);
  ASSERT_TRUE(run.next(GST_MESSAGE_ASYNC_DONE));
  ASSERT_FALSE(run.failure()) << run.failure()->text;
  const auto sink = run.element("sink");
  const GstPtr<GstPad> pad(gst_element_get_static_pad(sink.get(), "sink"));
  auto* event = gst_pad_get_sticky_event(pad.get(), GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, 0);
  ASSERT_NE(event, nullptr);
  const auto* task = gst_event_get_structure(event);
  const std::string id = simulator.state().at("tasks").at(0).at("id");
  EXPECT_STREQ(gst_structure_get_name(task), "veo-task");
  EXPECT_STREQ(gst_structure_get_string(task, "task-id"), id.c_str());
  EXPECT_STREQ(gst_structure_get_string(task, "status"), "completed");
  gst_event_unref(event);

  event = gst_pad_get_sticky_event(pad.get(), GST_EVENT_TAG, 0);
  ASSERT_NE(event, nullptr);
  GstTagList* tags = nullptr;
  gst_event_parse_tag(event, &tags);
  gchar* text = nullptr;
  EXPECT_TRUE(gst_tag_list_get_string(tags, GST_TAG_EXTENDED_COMMENT, &text));
  EXPECT_EQ(text, "veo-task-id=" + id);
  g_free(text);
  EXPECT_TRUE(gst_tag_list_get_string(tags, GST_TAG_DESCRIPTION, &text));
  EXPECT_STREQ(text, "a dog in a park");
  g_free(text);
  gst_event_unref(event);

  GstCaps* caps = gst_pad_get_current_caps(pad.get());
  EXPECT_STREQ(gst_structure_get_name(gst_caps_get_structure(caps, 0)), "video/quicktime");
  gst_caps_unref(caps);
}

TEST(Playback, ADryRunPricesAndSendsNothing) {
  const auto simulator = Simulator::start({});
  TestPipeline run("veosrc name=src prompt=x mode=quality resolution=4k dry-run=true ! fakesink");
  g_object_set(run.element("src").get(), "api-url", simulator.api_url().c_str(), nullptr);
  ASSERT_TRUE(run.finish());
  EXPECT_FALSE(run.failure());
  EXPECT_THAT(run.tasks(), ElementsAre("none 380"));
  EXPECT_TRUE(run.progress().empty());
  EXPECT_TRUE(simulator.log().empty());
}

TEST(Playback, IsKeptAndDecodedAtOnce) {
  const auto simulator = Simulator::start({"--generation-time", "50ms", "--frames", "24"});
  const TemporaryDirectory directory;
  TestPipeline run("veosrc name=src prompt=x ! tee name=t t. ! queue ! filesink location=" +
                   directory.file("clip.mp4") +
                   " t. ! queue ! decodebin ! video/x-raw ! fakesink name=video sync=false");
  run.use(simulator);
  run.watch("video");
  ASSERT_TRUE(run.finish()) << "the two branches block each other";
  ASSERT_FALSE(run.failure()) << run.failure()->text;
  EXPECT_EQ(run.seen("video").size(), 24U);
  EXPECT_EQ(box_types(bytes_of(directory.file("clip.mp4"))).back(), "mdat");
}

TEST(Playback, Decodebin3DecodesItToo) {
  const auto simulator = Simulator::start({"--generation-time", "50ms"});
  TestPipeline run(
      "veosrc name=src prompt=x ! decodebin3 ! video/x-raw ! fakesink name=video sync=false");
  run.use(simulator);
  run.watch("video");
  ASSERT_TRUE(run.finish());
  ASSERT_FALSE(run.failure()) << run.failure()->text;
  EXPECT_EQ(run.seen("video").size(), 192U);
  EXPECT_EQ(simulator.state().at("charges"), 1);
}

TEST(Playback, TheSimulatedFramesComeInOrder) {
  const auto simulator = Simulator::start({"--generation-time", "50ms"});
  TestPipeline run(
      "veosrc name=src prompt=x ! decodebin name=d ! videoconvert ! video/x-raw,format=I420 "
      "! fakesink name=video sync=false d. ! audio/x-raw ! fakesink async=false");
  run.use(simulator);
  std::vector<std::optional<unsigned>> numbers;
  const auto sink = run.element("video");
  const GstPtr<GstPad> pad(gst_element_get_static_pad(sink.get(), "sink"));
  gst_pad_add_probe(
      pad.get(), GST_PAD_PROBE_TYPE_BUFFER,
      [](GstPad*, GstPadProbeInfo* info, gpointer data) {
        GstMapInfo map;
        auto* buffer = GST_PAD_PROBE_INFO_BUFFER(info);
        if (gst_buffer_map(buffer, &map, GST_MAP_READ)) {
          static_cast<std::vector<std::optional<unsigned>>*>(data)->push_back(
              read_frame_number(map.data, 1280, 1280, 720));
          gst_buffer_unmap(buffer, &map);
        }
        return GST_PAD_PROBE_OK;
      },
      &numbers, nullptr);
  ASSERT_TRUE(run.finish());
  ASSERT_FALSE(run.failure()) << run.failure()->text;
  ASSERT_EQ(numbers.size(), 192U);
  for (unsigned i = 0; i < 192; ++i) EXPECT_EQ(numbers[i], i);
}

}  // namespace
}  // namespace veo::test
