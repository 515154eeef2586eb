// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The pads of veolivesrc: times, formats, filler, links, events and states.
#include <gmock/gmock.h>
#include <gst/audio/audio.h>
#include <gst/video/video.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <map>
#include <mutex>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "await.h"
#include "frame_number.h"
#include "test_pipeline.h"

namespace veo::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

Simulator start_simulator(const std::string& generation_time = "0s",
                          const std::string& frames = "12") {
  return Simulator::start({"--generation-time", generation_time, "--frames", frames});
}

struct CapsUnref {
  void operator()(GstCaps* caps) const { gst_caps_unref(caps); }
};
using CapsPtr = std::unique_ptr<GstCaps, CapsUnref>;

/// The grid, computed anew with GStreamer's functions.
struct Grid {
  guint64 frames = 24;
  guint64 seconds = 1;
  guint64 rate = 48'000;

  [[nodiscard]] guint64 time(guint64 tick) const {
    return gst_util_uint64_scale(tick, seconds * GST_SECOND, frames);
  }
  [[nodiscard]] guint64 samples(guint64 tick) const {
    return gst_util_uint64_scale(tick, seconds * rate, frames);
  }
  [[nodiscard]] guint64 sound_time(guint64 tick) const {
    return gst_util_uint64_scale(samples(tick), GST_SECOND, rate);
  }
  [[nodiscard]] guint64 tick_of(guint64 time) const {
    return gst_util_uint64_scale_round(time, frames, seconds * GST_SECOND);
  }
};

/// One buffer of a pad.
struct Piece {
  GstClockTime pts = 0;
  GstClockTime duration = 0;
  gsize size = 0;
  bool is_gap = false;
  int number = -1;          ///< of the simulator's frame; -1: none
  std::vector<int> center;  ///< the components of the pixel in the middle
  std::vector<int> corner;  ///< of the pixel at the left edge, in the middle of its height
};

/// Sees the buffers of a pad.
class Tap {
 public:
  Tap(const TestPipeline& run, const char* element, const char* pad) {
    pad_.reset(gst_element_get_static_pad(run.element(element).get(), pad));
    probe_ = gst_pad_add_probe(
        pad_.get(),
        static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_FLUSH),
        [](GstPad* from, GstPadProbeInfo* info, gpointer self) {
          auto& tap = *static_cast<Tap*>(self);
          if (GST_IS_BUFFER(info->data)) {
            tap.look(from, GST_PAD_PROBE_INFO_BUFFER(info));
          } else if (GST_EVENT_TYPE(info->data) == GST_EVENT_FLUSH_STOP) {
            // No buffer of the time before the flush comes after this event.
            const std::lock_guard lock(tap.mutex_);
            tap.pieces_.clear();
          }
          return GST_PAD_PROBE_OK;
        },
        this, nullptr);
  }
  ~Tap() { gst_pad_remove_probe(pad_.get(), probe_); }
  Tap(const Tap&) = delete;
  Tap& operator=(const Tap&) = delete;

  /// The buffers since the last flush.
  [[nodiscard]] std::vector<Piece> pieces() const {
    const std::lock_guard lock(mutex_);
    return pieces_;
  }
  [[nodiscard]] std::size_t count() const {
    const std::lock_guard lock(mutex_);
    return pieces_.size();
  }
  void await_count(std::size_t least) const {
    await("buffers of a pad", [&] { return count() >= least; });
  }
  void await_more(std::size_t more) const { await_count(count() + more); }

 private:
  static std::vector<int> read_pixel(GstVideoFrame& frame, int x, int y) {
    std::vector<int> pixel;
    for (guint i = 0; i < GST_VIDEO_FRAME_N_COMPONENTS(&frame); ++i) {
      const auto* finfo = frame.info.finfo;
      const auto* data = static_cast<const guint8*>(GST_VIDEO_FRAME_COMP_DATA(&frame, i));
      const int column = GST_VIDEO_FORMAT_INFO_SCALE_WIDTH(finfo, i, x);
      const int row = GST_VIDEO_FORMAT_INFO_SCALE_HEIGHT(finfo, i, y);
      pixel.push_back(data[row * GST_VIDEO_FRAME_COMP_STRIDE(&frame, i) +
                           column * GST_VIDEO_FRAME_COMP_PSTRIDE(&frame, i)]);
    }
    return pixel;
  }

  void look(GstPad* pad, GstBuffer* buffer) {
    Piece piece{.pts = GST_BUFFER_PTS(buffer),
                .duration = GST_BUFFER_DURATION(buffer),
                .size = gst_buffer_get_size(buffer),
                .is_gap = GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP)};
    GstCaps* const caps = gst_pad_get_current_caps(pad);
    GstVideoInfo info;
    GstVideoFrame frame;
    if (gst_structure_has_name(gst_caps_get_structure(caps, 0), "video/x-raw") &&
        gst_video_info_from_caps(&info, caps) &&
        gst_video_frame_map(&frame, &info, buffer, GST_MAP_READ)) {
      const int width = GST_VIDEO_FRAME_WIDTH(&frame);
      const int height = GST_VIDEO_FRAME_HEIGHT(&frame);
      piece.center = read_pixel(frame, width / 2, height / 2);
      piece.corner = read_pixel(frame, 0, height / 2);
      if (GST_VIDEO_INFO_IS_YUV(&info) && GST_VIDEO_FRAME_COMP_PSTRIDE(&frame, 0) == 1) {
        const auto number =
            read_frame_number(static_cast<const guint8*>(GST_VIDEO_FRAME_PLANE_DATA(&frame, 0)),
                              GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0), width, height);
        piece.number = number ? static_cast<int>(*number) : -1;
      }
      gst_video_frame_unmap(&frame);
    }
    gst_caps_unref(caps);
    const std::lock_guard lock(mutex_);
    pieces_.push_back(std::move(piece));
  }

  GstPtr<GstPad> pad_;
  gulong probe_ = 0;
  mutable std::mutex mutex_;
  std::vector<Piece> pieces_;  // guarded by mutex_
};

/// Expects that the frames stand on the grid, one after the other. Returns the first tick.
guint64 expect_frames(const std::vector<Piece>& pieces, const Grid& grid) {
  if (pieces.empty()) {
    ADD_FAILURE() << "no frame";
    return 0;
  }
  const auto first = grid.tick_of(pieces.front().pts);
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    EXPECT_EQ(pieces[i].pts, grid.time(first + i)) << i;
    EXPECT_EQ(pieces[i].pts + pieces[i].duration, grid.time(first + i + 1)) << i;
  }
  return first;
}

/// Does the same with sound, in samples of `bytes` bytes.
guint64 expect_sound(const std::vector<Piece>& pieces, const Grid& grid, gsize bytes = 8) {
  if (pieces.empty()) {
    ADD_FAILURE() << "no sound";
    return 0;
  }
  const auto first = grid.tick_of(pieces.front().pts);
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    EXPECT_EQ(pieces[i].pts, grid.sound_time(first + i)) << i;
    EXPECT_EQ(pieces[i].pts + pieces[i].duration, grid.sound_time(first + i + 1)) << i;
    EXPECT_EQ(pieces[i].size, (grid.samples(first + i + 1) - grid.samples(first + i)) * bytes) << i;
  }
  return first;
}

std::vector<int> numbers_of(const std::vector<Piece>& pieces) {
  std::vector<int> numbers;
  for (const auto& piece : pieces) {
    if (piece.number >= 0) numbers.push_back(piece.number);
  }
  return numbers;
}

std::vector<int> count_up(int end) {
  std::vector<int> all(static_cast<std::size_t>(end));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

const std::string both =
    "l.video ! fakesink name=video async=false l.audio ! fakesink name=audio async=false";

TEST(LiveSource, FillsEachTickExactly) {
  struct Case {
    std::string caps;
    Grid grid;
  };
  const Case cases[] = {
      {"", {24, 1, 48'000}},
      {"video-caps=video/x-raw,framerate=24/1 audio-caps=audio/x-raw,rate=44100", {24, 1, 44'100}},
      {"video-caps=video/x-raw,framerate=30/1 audio-caps=audio/x-raw,rate=44100", {30, 1, 44'100}},
      {"video-caps=video/x-raw,framerate=30000/1001", {30'000, 1'001, 48'000}},
  };
  struct Run {
    explicit Run(const std::string& caps)
        : pipeline("veolivesrc name=l " + caps + " " + both),
          video(pipeline, "video", "sink"),
          audio(pipeline, "audio", "sink") {
      pipeline.start();
    }
    TestPipeline pipeline;
    Tap video;
    Tap audio;
  };
  // The pipelines run at the same time, because each of them needs a second.
  std::vector<std::unique_ptr<Run>> runs;
  for (const auto& one : cases) runs.push_back(std::make_unique<Run>(one.caps));
  for (std::size_t i = 0; i < runs.size(); ++i) {
    SCOPED_TRACE(cases[i].caps);
    runs[i]->video.await_count(24);
    runs[i]->audio.await_count(24);
    runs[i]->pipeline.stop();
    EXPECT_FALSE(runs[i]->pipeline.failure());
    const auto first = expect_frames(runs[i]->video.pieces(), cases[i].grid);
    EXPECT_EQ(expect_sound(runs[i]->audio.pieces(), cases[i].grid), first);
    for (const auto& piece : runs[i]->audio.pieces()) EXPECT_TRUE(piece.is_gap);
    EXPECT_THAT(runs[i]->video.pieces().back().center, ElementsAre(16, 128, 128));
  }
}

TEST(LiveSource, AnswersLatencyTruthfully) {
  TestPipeline run("veolivesrc name=l " + both);
  const Tap video(run, "video", "sink");
  run.start();
  video.await_more(1);
  for (const char* const name : {"video", "audio"}) {
    const GstPtr<GstPad> pad(gst_element_get_static_pad(run.element("l").get(), name));
    GstQuery* const query = gst_query_new_latency();
    ASSERT_TRUE(gst_pad_query(pad.get(), query));
    gboolean is_live = FALSE;
    GstClockTime least = 0;
    GstClockTime most = 0;
    gst_query_parse_latency(query, &is_live, &least, &most);
    EXPECT_TRUE(is_live);
    EXPECT_EQ(least, 41'666'667U);
    EXPECT_EQ(most, GST_CLOCK_TIME_NONE);
    gst_query_unref(query);
  }
}

/// Expects that the sink has caps with these fields.
void expect_caps(const TestPipeline& run, const char* sink, const std::string& fields) {
  const GstPtr<GstPad> pad(gst_element_get_static_pad(run.element(sink).get(), "sink"));
  const CapsPtr caps(gst_pad_get_current_caps(pad.get()));
  ASSERT_TRUE(caps);
  const auto* const media = gst_structure_get_name(gst_caps_get_structure(caps.get(), 0));
  const CapsPtr expected(gst_caps_from_string((std::string(media) + ", " + fields).c_str()));
  ASSERT_TRUE(expected) << fields;
  const std::unique_ptr<char, decltype(&g_free)> text(gst_caps_to_string(caps.get()), g_free);
  EXPECT_TRUE(gst_caps_is_subset(caps.get(), expected.get())) << text.get();
}

TEST(LiveSource, NegotiatesWhatItsCapsLeaveOpen) {
  struct Case {
    std::string properties;
    std::string downstream;
    std::string caps;
    std::vector<std::string> warnings = {};
  };
  const Case cases[] = {
      {"", "", "format=(string)I420, width=(int)1280, height=(int)720, framerate=(fraction)24/1"},
      {"", "video/x-raw,width=640 !", "width=(int)640, height=(int)360"},
      {"", "video/x-raw,height=360 !", "width=(int)640, height=(int)360"},
      {"", "video/x-raw,format=BGRA,width=100,height=200 !", "format=(string)BGRA, width=(int)100"},
      {"video-caps=\"video/x-raw,format={NV12,RGB},width=320,height=240,framerate=25/1\"", "",
       "format=(string)NV12, width=(int)320, height=(int)240, framerate=(fraction)25/1"},
      {"video-caps=\"video/x-raw,framerate=[20/1,60/1]\"", "", "framerate=(fraction)24/1"},
      {"filler=transparent", "", "format=(string)A420"},
      {"filler=transparent", "video/x-raw,format={I420,BGRA} !", "format=(string)BGRA"},
      {"filler=transparent",
       "video/x-raw,format=I420 !",
       "format=(string)I420",
       {"The filler cannot be transparent"}},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(one.properties + " ! " + one.downstream);
    TestPipeline run("veolivesrc name=l " + one.properties + " l.video ! " + one.downstream +
                     " fakesink name=video num-buffers=1 async=false");
    EXPECT_TRUE(run.finish());
    EXPECT_FALSE(run.failure());
    expect_caps(run, "video", one.caps);
    run.stop();
    ASSERT_THAT(run.warnings(), SizeIs(one.warnings.size()));
    for (std::size_t i = 0; i < one.warnings.size(); ++i) {
      EXPECT_THAT(run.warnings()[i], HasSubstr(one.warnings[i]));
    }
  }
}

TEST(LiveSource, NegotiatesSound) {
  struct Case {
    std::string properties;
    std::string downstream;
    std::string caps;
  };
  const Case cases[] = {
      {"", "", "format=(string)F32LE, rate=(int)48000, channels=(int)2"},
      {"audio-caps=audio/x-raw,rate=44100", "audio/x-raw,channels=1 !",
       "format=(string)F32LE, rate=(int)44100, channels=(int)1"},
      {"audio-caps=audio/x-raw,channels=6,format=S16LE", "",
       "format=(string)S16LE, rate=(int)48000, channels=(int)6, channel-mask=(bitmask)0x3f"},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(one.properties + " ! " + one.downstream);
    TestPipeline run("veolivesrc name=l " + one.properties + " l.audio ! " + one.downstream +
                     " fakesink name=audio num-buffers=1 async=false");
    EXPECT_TRUE(run.finish());
    EXPECT_FALSE(run.failure());
    expect_caps(run, "audio", one.caps);
  }
}

TEST(LiveSource, CapsThatCannotBeMetAreAnErrorBeforeAnythingIsPaid) {
  const auto simulator = start_simulator();
  const std::string lines[] = {
      "video-caps=video/x-raw,framerate=0/1 " + both,
      "video-caps=video/x-raw,framerate=1/2 " + both,
      "video-caps=audio/x-raw " + both,
      "video-caps=video/x-raw(memory:GLMemory) " + both,
      "video-caps=video/x-raw,interlace-mode=interleaved " + both,
      "video-caps=NONE " + both,
      "audio-caps=video/x-raw " + both,
      "audio-caps=audio/x-raw,layout=non-interleaved " + both,
      "l.video ! video/x-raw,framerate=30/1 ! fakesink l.audio ! fakesink",
      "l.video ! fakesink l.audio ! audio/x-raw,rate=8000 ! fakesink",
      "video-caps=video/x-raw,width=320 l.video ! queue ! video/x-raw,width=640 ! fakesink "
      "l.audio ! fakesink",
  };
  for (const auto& line : lines) {
    SCOPED_TRACE(line);
    TestPipeline run("veolivesrc name=l prompt=A " + line);
    run.use(simulator);
    EXPECT_TRUE(run.finish());
    ASSERT_TRUE(run.failure());
    EXPECT_EQ(run.failure()->details.at("code"), "invalid-request");
    EXPECT_EQ(run.failure()->details.at("charged"), "no");
  }
  EXPECT_EQ(simulator.state().at("submissions"), 0);
}

TEST(LiveSource, PlaysAClipInTheMiddleOfTheFiller) {
  const auto simulator = start_simulator();
  TestPipeline run("veolivesrc name=l prompt=A " + both);
  run.use(simulator);
  const Tap video(run, "video", "sink");
  const Tap audio(run, "audio", "sink");
  run.start();
  await("the clip", [&] { return numbers_of(video.pieces()).size() >= 12; });
  video.await_more(6);
  audio.await_more(6);
  run.stop();
  EXPECT_FALSE(run.failure());
  const auto frames = video.pieces();
  const auto sound = audio.pieces();
  const auto first = expect_frames(frames, {});
  EXPECT_EQ(expect_sound(sound, {}), first);
  EXPECT_EQ(numbers_of(frames), count_up(12));
  // The sound of the clip begins and ends with its picture.
  for (std::size_t i = 0; i < std::min(frames.size(), sound.size()); ++i) {
    EXPECT_EQ(frames[i].number < 0, sound[i].is_gap) << i;
  }
  EXPECT_THAT(frames.front().center, ElementsAre(16, 128, 128));
  EXPECT_THAT(frames.back().center, ElementsAre(16, 128, 128));
  EXPECT_EQ(simulator.state().at("charges"), 1);
}

TEST(LiveSource, FreezesTheLastFrame) {
  const auto simulator = start_simulator();
  TestPipeline run("veolivesrc name=l prompt=A filler=freeze " + both);
  run.use(simulator);
  const Tap video(run, "video", "sink");
  run.start();
  await("the clip", [&] { return numbers_of(video.pieces()).size() >= 18; });
  // The filler changes while it is shown.
  gst_util_set_object_arg(G_OBJECT(run.element("l").get()), "filler", "black");
  await("black", [&] { return video.pieces().back().number < 0; });
  run.stop();
  auto numbers = numbers_of(video.pieces());
  EXPECT_THAT(video.pieces().front().center, ElementsAre(16, 128, 128));
  ASSERT_GE(numbers.size(), 18U);
  EXPECT_TRUE(std::all_of(numbers.begin() + 12, numbers.end(), [](int one) { return one == 11; }));
  numbers.resize(12);
  EXPECT_EQ(numbers, count_up(12));
}

TEST(LiveSource, FillerIsTransparentInEachFormatWithAlpha) {
  struct Case {
    std::string format;
    std::size_t alpha;  // which component
  };
  for (const auto& [format, alpha] :
       {Case{"A420", 3}, Case{"AYUV", 3}, Case{"BGRA", 3}, Case{"ARGB", 3}}) {
    SCOPED_TRACE(format);
    for (const bool is_transparent : {true, false}) {
      TestPipeline run(
          "veolivesrc name=l filler=" + std::string(is_transparent ? "transparent" : "black") +
          " video-caps=video/x-raw,width=64,height=64,format=" + format +
          " l.video ! fakesink name=video num-buffers=1 async=false");
      const Tap video(run, "video", "sink");
      EXPECT_TRUE(run.finish());
      EXPECT_EQ(video.pieces().at(0).center.at(alpha), is_transparent ? 0 : 255);
    }
  }
}

class LivePicture : public testing::Test {
 protected:
  LivePicture() {
    ::mkdtemp(folder_.data());
    TestPipeline run(
        "videotestsrc num-buffers=1 pattern=white ! video/x-raw,width=90,height=90 ! "
        "pngenc ! filesink location=" +
        file("white.png"));
    EXPECT_TRUE(run.finish());
  }
  ~LivePicture() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  [[nodiscard]] std::string file(const std::string& name) const { return folder_ + "/" + name; }

 private:
  std::string folder_ = (std::filesystem::temp_directory_path() / "veo-live-XXXXXX").string();
};

TEST_F(LivePicture, TakesThePlaceOfBlack) {
  TestPipeline run("veolivesrc name=l video-caps=video/x-raw,width=160,height=90 filler-location=" +
                   file("white.png") + " " + both);
  const Tap video(run, "video", "sink");
  run.start();
  await("the picture", [&] {
    const auto pieces = video.pieces();
    return !pieces.empty() && pieces.back().center == std::vector<int>{235, 128, 128};
  });
  // The picture keeps its shape.
  EXPECT_THAT(video.pieces().back().corner, ElementsAre(16, 128, 128));
  // Without the file the filler is black again.
  g_object_set(run.element("l").get(), "filler-location", nullptr, nullptr);
  await("black", [&] { return video.pieces().back().center == std::vector<int>{16, 128, 128}; });
  run.stop();
  expect_frames(video.pieces(), {});
  EXPECT_THAT(run.warnings(), IsEmpty());
}

TEST_F(LivePicture, ThatCannotBeShownIsAWarning) {
  std::filesystem::copy_file("/proc/self/cmdline", file("text.png"));
  ASSERT_EQ(::mkfifo(file("fifo.png").c_str(), 0600), 0);
  for (const auto& location :
       {file("none.png"), file("text.png"), file("fifo.png"), std::string("/")}) {
    SCOPED_TRACE(location);
    TestPipeline run("veolivesrc name=l filler-location=" + location + " " + both);
    const Tap video(run, "video", "sink");
    run.start();
    const auto message = run.next(GST_MESSAGE_WARNING);
    ASSERT_TRUE(message);
    video.await_more(3);
    run.stop();
    EXPECT_FALSE(run.failure());
    EXPECT_EQ(GST_MESSAGE_SRC(message.get()), GST_OBJECT(run.element("l").get()));
    ASSERT_THAT(run.warnings(), SizeIs(1));
    EXPECT_THAT(run.warnings()[0], HasSubstr(location));
    const GstStructure* details = nullptr;
    gst_message_parse_warning_details(message.get(), &details);
    ASSERT_TRUE(details != nullptr && gst_structure_has_name(details, "veo-error"));
    EXPECT_STREQ(gst_structure_get_string(details, "charged"), "no");
    EXPECT_THAT(video.pieces().back().center, ElementsAre(16, 128, 128));
  }
}

/// Links a new fakesink to the pad. The pipeline runs.
void add_sink(TestPipeline& run, const char* pad, const char* name) {
  auto* const sink = gst_element_factory_make("fakesink", name);
  g_object_set(sink, "async", FALSE, nullptr);
  gst_bin_add(GST_BIN(run.pipeline()), sink);
  gst_element_sync_state_with_parent(sink);
  ASSERT_TRUE(gst_element_link_pads(run.element("l").get(), pad, sink, "sink"));
}

void remove_sink(TestPipeline& run, const char* pad, const char* name) {
  const auto sink = run.element(name);
  gst_element_unlink_pads(run.element("l").get(), pad, sink.get(), "sink");
  gst_bin_remove(GST_BIN(run.pipeline()), sink.get());
  gst_element_set_state(sink.get(), GST_STATE_NULL);
}

TEST(LiveSource, SubmitsNothingBeforeAPadIsLinked) {
  const auto simulator = start_simulator();
  TestPipeline run("veolivesrc name=l prompt=A");
  run.use(simulator);
  const Tap inner(run, "video-output", "src");
  run.start();
  inner.await_more(12);
  EXPECT_EQ(simulator.state().at("submissions"), 0);
  add_sink(run, "audio", "sink");
  await("a submission", [&] { return simulator.state().at("submissions") == 1; });
  run.stop();
  EXPECT_FALSE(run.failure());
}

/// Blocks the pad, and waits until a buffer is held. Returns the probe.
gulong block(GstPad* pad) {
  static std::atomic<bool> is_blocked;
  is_blocked = false;
  const auto probe = gst_pad_add_probe(
      pad, static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BLOCK | GST_PAD_PROBE_TYPE_BUFFER),
      [](GstPad*, GstPadProbeInfo*, gpointer) {
        is_blocked = true;
        return GST_PAD_PROBE_OK;
      },
      nullptr, nullptr);
  await("a blocked pad", [] { return is_blocked.load(); });
  return probe;
}

// Nobody knows yet whether downstream takes the buffers of a pad that is blocked.
TEST(LiveSource, SubmitsNothingBeforeEachLinkedPadHasGivenABuffer) {
  const auto simulator = start_simulator();
  TestPipeline run("veolivesrc name=l prompt=A " + both);
  run.use(simulator);
  const Tap audio(run, "audio", "sink");
  const GstPtr<GstPad> pad(gst_element_get_static_pad(run.element("l").get(), "video"));
  run.start(GST_STATE_PAUSED);
  std::thread starter([&] { run.start(); });
  const auto probe = block(pad.get());
  starter.join();
  audio.await_more(12);
  EXPECT_EQ(simulator.state().at("submissions"), 0);
  gst_pad_remove_probe(pad.get(), probe);
  await("a submission", [&] { return simulator.state().at("submissions") == 1; });
  run.stop();
  EXPECT_FALSE(run.failure());
}

TEST(LiveSource, AnUnlinkedPadStopsNothing) {
  TestPipeline run("veolivesrc name=l " + both);
  const Tap audio(run, "audio", "sink");
  const Tap inner(run, "video-output", "src");
  run.start();
  audio.await_more(3);
  remove_sink(run, "video", "video");
  audio.await_more(6);
  add_sink(run, "video", "again");
  const Tap video(run, "again", "sink");
  video.await_more(3);
  run.stop();
  EXPECT_FALSE(run.failure());
  expect_sound(audio.pieces(), {});
  expect_frames(inner.pieces(), {});
  expect_frames(video.pieces(), {});
}

/// Returns the types of the PROGRESS messages that open and close a step.
int count_open_steps(const TestPipeline& run) {
  int open = 0;
  for (const auto& one : run.progress()) {
    if (one.type == "start") ++open;
    if (one.type == "complete" || one.type == "canceled" || one.type == "error") --open;
  }
  return open;
}

// The streaming threads may stand in sinks that wait for PLAYING.
TEST(LiveSource, EndsWhileItBeginsToPlay) {
  for (int i = 0; i < 20; ++i) {
    SCOPED_TRACE(i);
    TestPipeline run("veolivesrc name=l " + both);
    run.start(GST_STATE_PAUSED);
    std::thread ending(
        [&] { EXPECT_TRUE(gst_element_send_event(run.pipeline(), gst_event_new_eos())); });
    run.start();
    ending.join();
    ASSERT_TRUE(run.next(GST_MESSAGE_EOS));
    run.stop();
    ASSERT_FALSE(run.failure());
  }
}

// The handler runs on a thread of the element.
TEST(LiveSource, CanBeEndedByAHandlerOfItsMessages) {
  const auto simulator = start_simulator();
  TestPipeline run("veolivesrc name=l prompt=A " + both);
  run.use(simulator);
  const auto live = run.element("l");
  const auto end = +[](GObject*, GParamSpec*, gpointer pipeline) {
    gst_element_send_event(GST_ELEMENT(pipeline), gst_event_new_eos());
  };
  g_signal_connect(live.get(), "notify::pending-requests", G_CALLBACK(end), run.pipeline());
  run.start();
  ASSERT_TRUE(run.next(GST_MESSAGE_EOS));
  run.stop();
  EXPECT_FALSE(run.failure());
  EXPECT_EQ(count_open_steps(run), 0);
}

TEST(LiveSource, EndsInEachPhase) {
  struct Phase {
    std::string name;
    std::string generation_time;
    std::string frames;
    std::string properties;
  };
  const Phase phases[] = {
      {"filler", "0s", "12", ""},
      {"generation", "1h", "12", "prompt=A"},
      {"clip", "0s", "48", "prompt=A"},
  };
  for (const auto& phase : phases) {
    SCOPED_TRACE(phase.name);
    const auto simulator = start_simulator(phase.generation_time, phase.frames);
    TestPipeline run("veolivesrc name=l " + phase.properties + " " + both);
    run.use(simulator);
    const Tap video(run, "video", "sink");
    run.start();
    video.await_more(2);
    if (phase.name == "generation") {
      await("a submission", [&] { return simulator.state().at("submissions") == 1; });
    }
    if (phase.name == "clip") {
      await("the clip", [&] { return !numbers_of(video.pieces()).empty(); });
    }
    ASSERT_TRUE(gst_element_send_event(run.pipeline(), gst_event_new_eos()));
    const auto message = run.next(GST_MESSAGE_EOS);
    ASSERT_TRUE(message);
    run.stop();
    EXPECT_TRUE(run.eos());
    EXPECT_FALSE(run.failure());
    EXPECT_THAT(run.warnings(), IsEmpty());
    EXPECT_EQ(count_open_steps(run), 0);
    expect_frames(video.pieces(), {});
  }
}

TEST(LiveSource, StartsAnewInEachOfManyRuns) {
  TestPipeline run("veolivesrc name=l " + both);
  for (int i = 0; i < 20; ++i) {
    SCOPED_TRACE(i);
    const Tap video(run, "video", "sink");
    const Tap audio(run, "audio", "sink");
    run.start();
    video.await_more(2);
    audio.await_more(2);
    gst_element_set_state(run.pipeline(), i % 2 == 0 ? GST_STATE_READY : GST_STATE_NULL);
    EXPECT_LT(video.pieces().front().pts, 10 * GST_SECOND);
    EXPECT_EQ(expect_frames(video.pieces(), {}), expect_sound(audio.pieces(), {}));
  }
  run.stop();
  EXPECT_FALSE(run.failure());
}

TEST(LiveSource, PlaysWhatWasSetLast) {
  const auto simulator = start_simulator();
  TestPipeline run("veolivesrc name=l prompt=A " + both);
  run.use(simulator);
  const Tap video(run, "video", "sink");
  const auto live = run.element("l");
  const auto clips = [&] { return numbers_of(video.pieces()).size() / 12; };
  run.start();
  await("the first clip", [&] { return clips() == 1; });
  const std::string first = simulator.state().at("tasks").at(0).at("id");
  g_object_set(live.get(), "task-id", first.c_str(), nullptr);
  await("the same clip", [&] { return clips() == 2; });
  EXPECT_EQ(simulator.state().at("charges"), 1);
  // A task id does not stand before the prompts that come after it.
  g_object_set(live.get(), "prompt", "B", nullptr);
  await("the second clip", [&] { return clips() == 3; });
  EXPECT_EQ(simulator.state().at("charges"), 2);
  // A property that is cleared asks for nothing.
  g_object_set(live.get(), "task-id", first.c_str(), nullptr);
  g_object_set(live.get(), "task-id", nullptr, "prompt", "", nullptr);
  guint pending = 9;
  await("nothing to be asked for", [&] {
    g_object_get(live.get(), "pending-requests", &pending, nullptr);
    return pending == 0;
  });
  EXPECT_EQ(simulator.state().at("charges"), 2);
  run.stop();
  EXPECT_FALSE(run.failure());
}

TEST(LiveSource, ARequestIsRefusedAtOnceIfANumberIsOutOfItsRange) {
  const auto simulator = start_simulator();
  TestPipeline run("veolivesrc name=l " + both);
  run.use(simulator);
  const Tap video(run, "video", "sink");
  run.start();
  video.await_more(2);
  const auto live = run.element("l");
  g_object_set(live.get(), "prompt", "A", "take", 0, nullptr);
  gboolean is_taken = TRUE;
  g_signal_emit_by_name(live.get(), "request", &is_taken);
  EXPECT_EQ(is_taken, FALSE);
  g_object_set(live.get(), "take", 1, nullptr);
  g_signal_emit_by_name(live.get(), "request", &is_taken);
  EXPECT_EQ(is_taken, TRUE);
  await("one clip", [&] { return numbers_of(video.pieces()).size() >= 12; });
  run.stop();
  EXPECT_EQ(simulator.state().at("submissions"), 1);
}

TEST(LiveSource, PlaysAgainAfterItsEnd) {
  const auto simulator = start_simulator();
  TestPipeline run("veolivesrc name=l prompt=A " + both);
  run.use(simulator);
  for (int i = 0; i < 2; ++i) {
    SCOPED_TRACE(i);
    const Tap video(run, "video", "sink");
    run.start();
    await("the clip", [&] { return numbers_of(video.pieces()).size() >= 12; });
    ASSERT_TRUE(gst_element_send_event(run.pipeline(), gst_event_new_eos()));
    ASSERT_TRUE(run.next(GST_MESSAGE_EOS));
    EXPECT_FALSE(run.failure());
    gst_element_set_state(run.pipeline(), GST_STATE_READY);
    EXPECT_EQ(numbers_of(video.pieces()), count_up(12));
  }
  run.stop();
  EXPECT_EQ(simulator.state().at("charges"), 1);
}

// The running time goes on while the source alone is paused, and the next buffers belong to now.
TEST(LiveSource, GoesOnAtThePresentIfItAloneWasPaused) {
  TestPipeline run("veolivesrc name=l " + both);
  const Tap video(run, "video", "sink");
  const Tap audio(run, "audio", "sink");
  run.start();
  video.await_more(2);
  const auto live = run.element("l");
  const auto clock = GstPtr<GstClock>(gst_element_get_clock(live.get()));
  gst_element_set_state(live.get(), GST_STATE_PAUSED);
  const auto count = video.count();
  const auto last = video.pieces().back().pts;
  // The pipeline's time goes on for five seconds.
  const auto base = gst_element_get_base_time(live.get());
  gst_element_set_base_time(live.get(), base - 5 * GST_SECOND);
  gst_element_set_state(live.get(), GST_STATE_PLAYING);
  video.await_more(3);
  audio.await_more(3);
  run.stop();
  EXPECT_FALSE(run.failure());
  const auto frames = video.pieces();
  EXPECT_GE(frames.at(count).pts, last + 4 * GST_SECOND);
  expect_frames({frames.begin() + static_cast<std::ptrdiff_t>(count), frames.end()}, {});
  EXPECT_LE(frames.back().pts, audio.pieces().back().pts + GST_SECOND);
}

TEST(LiveSource, GoesOnAfterAPause) {
  TestPipeline run("veolivesrc name=l " + both);
  const Tap video(run, "video", "sink");
  const Tap audio(run, "audio", "sink");
  run.start();
  for (int i = 0; i < 20; ++i) {
    video.await_more(1);
    run.start(GST_STATE_PAUSED);
    run.start(GST_STATE_PLAYING);
  }
  video.await_more(2);
  audio.await_more(2);
  run.stop();
  EXPECT_FALSE(run.failure());
  EXPECT_EQ(expect_frames(video.pieces(), {}), expect_sound(audio.pieces(), {}));
}

TEST(LiveSource, ComesAndGoesWhileThePipelineRuns) {
  TestPipeline run(
      "videotestsrc is-live=true ! video/x-raw,width=64,height=48 ! "
      "compositor name=mixer ! fakesink name=mixed async=false");
  const Tap mixed(run, "mixed", "sink");
  run.start();
  mixed.await_more(2);
  const auto mixer = run.element("mixer");
  for (int i = 0; i < 10; ++i) {
    SCOPED_TRACE(i);
    auto* const live = gst_element_factory_make("veolivesrc", "l");
    gst_bin_add(GST_BIN(run.pipeline()), live);
    const GstPtr<GstPad> from(gst_element_get_static_pad(live, "video"));
    const GstPtr<GstPad> to(gst_element_request_pad_simple(mixer.get(), "sink_%u"));
    ASSERT_EQ(gst_pad_link(from.get(), to.get()), GST_PAD_LINK_OK);
    GstClockTime first = 0;
    {
      const Tap video(run, "l", "video");
      ASSERT_TRUE(gst_element_sync_state_with_parent(live));
      video.await_more(3);
      first = video.pieces().front().pts;
      expect_frames(video.pieces(), {});
      // The pad can be unlinked, linked, or blocked when the element stops.
      if (i % 3 == 0) gst_pad_unlink(from.get(), to.get());
      if (i % 3 == 1) block(from.get());
      ASSERT_NE(gst_element_set_state(live, GST_STATE_NULL), GST_STATE_CHANGE_FAILURE);
    }
    gst_bin_remove(GST_BIN(run.pipeline()), live);
    gst_element_release_request_pad(mixer.get(), to.get());
    EXPECT_LE(first, mixed.pieces().back().pts + GST_SECOND);
  }
  mixed.await_more(2);
  run.stop();
  EXPECT_FALSE(run.failure());
}

TEST(LiveSource, GoesOnAfterAFlush) {
  TestPipeline run("veolivesrc name=l " + both);
  const Tap video(run, "video", "sink");
  const Tap audio(run, "audio", "sink");
  run.start();
  const auto live = run.element("l");
  for (int i = 0; i < 5; ++i) {
    video.await_count(3);
    audio.await_count(3);
    EXPECT_TRUE(gst_element_send_event(live.get(), gst_event_new_flush_start()));
    EXPECT_TRUE(gst_element_send_event(live.get(), gst_event_new_flush_stop(FALSE)));
  }
  video.await_count(3);
  audio.await_count(3);
  run.stop();
  EXPECT_FALSE(run.failure());
  // Both pads go on at one tick.
  EXPECT_EQ(expect_frames(video.pieces(), {}), expect_sound(audio.pieces(), {}));
}

}  // namespace
}  // namespace veo::test
