// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A film that plays while it is generated: if its next clip is late, BUFFERING pauses the playback,
// so that no frame is late.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "command.h"
#include "test_pipeline.h"

namespace veo::test {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using namespace std::chrono_literals;

using Messages = std::vector<std::string>;

constexpr int clip_frames = 24;

/// Drops each frame that is later than even a busy machine makes it. Without BUFFERING the frames
/// of a late clip are later. (A sink of a window takes 5 ms at most: scripts/late-film.)
const std::string sink =
    "fakesink name=video sync=true max-lateness=900000000 signal-handoffs=true";
const std::string decode = "decodebin ! videoconvert ! ";

/// What an application that heeds BUFFERING sees.
struct Playback {
  Messages buffering;  ///< name of the element and percent
  int shown = 0;       ///< frames, without those that the sink or the decoder dropped
};

class Buffering : public testing::Test {
 protected:
  /// Starts a simulator with clips of one second. Its tasks are completed at once, unless
  /// `faults` say something else.
  [[nodiscard]] Simulator start(const std::vector<std::string>& faults) const {
    std::vector<std::string> args{"--generation-time", "0s"};
    for (int i = 0; i < 3; ++i) args.insert(args.end(), {"--clip", clip(i)});
    for (const auto& one : faults) args.insert(args.end(), {"--fault", one});
    return Simulator::start(args);
  }
  /// Makes a clip of one second whose pictures depend on `index`.
  [[nodiscard]] std::string clip(int index) const {
    auto file = directory_.file(std::to_string(index) + ".mp4");
    if (std::filesystem::exists(file)) return file;
    output_of(
        "ffmpeg -v error -f lavfi -i testsrc2=size=320x180:rate=24 -f lavfi -i "
        "sine=sample_rate=48000:frequency=" +
        std::to_string(440 + index) +
        " -frames:v 24 -t 1 -c:v libx264 -preset veryfast -bf 0 -pix_fmt yuv420p -c:a aac -ac 2 " +
        file + " 2>&1");
    return file;
  }
  /// Plays to the end, as gst-launch-1.0 does: a message below 100 % pauses the pipeline, and 100 %
  /// lets the pipeline play again.
  static Playback play(TestPipeline& run) {
    Playback seen;
    g_signal_connect(run.element("video").get(), "handoff", G_CALLBACK(on_frame), &seen.shown);
    run.start();
    while (const auto message = run.next(GST_MESSAGE_BUFFERING)) {
      if (GST_MESSAGE_TYPE(message.get()) != GST_MESSAGE_BUFFERING) break;
      const auto text = note(message.get());
      seen.buffering.push_back(text);
      run.start(text.ends_with(" 100") ? GST_STATE_PLAYING : GST_STATE_PAUSED);
    }
    run.stop();
    return seen;
  }
  /// A sink calls this function for each frame that it shows. The sink's statistics do not help,
  /// because they begin anew after each pause.
  static void on_frame(GstElement*, GstBuffer*, GstPad*, int* shown) { ++*shown; }
  static std::string note(GstMessage* message) {
    gint percent = -1;
    gst_message_parse_buffering(message, &percent);
    return std::string(GST_MESSAGE_SRC_NAME(message)) + " " + std::to_string(percent);
  }

  TemporaryDirectory directory_;
};

/// Returns the messages of `veoextend`. A queue2 of GStreamer 1.26 posts 100 % without being asked.
Messages of_veoextend(Messages all) {
  std::erase_if(all, [](const std::string& one) { return one.starts_with("queue2"); });
  return all;
}

const std::string late = "task:slow=2500ms*1@2";
const std::string film = "veosrc prompt=A ! veoextend name=b prompt=B join=append ! ";

struct Way {
  const char* name;
  std::string line;
  bool has_queue_messages = false;  ///< a queue2 posts BUFFERING, too
};

// The pipelines mostly wait, so all of them play at once.
TEST_F(Buffering, ALateClipIsShownCompletelyByEachPipeline) {
  const Way ways[] = {
      {"decodebin", film + decode + sink},
      // Such a line has no queue: the element pushes each frame into the sink.
      {"no queue", film + "qtdemux ! h264parse ! avdec_h264 ! " + sink},
      // On a machine of many cores a decoder keeps most of a clip of a second.
      {"many threads", film + "qtdemux ! h264parse ! avdec_h264 max-threads=16 ! queue ! " + sink},
      {"queue2 in front",
       "veosrc prompt=A ! queue2 use-buffering=true ! veoextend name=b prompt=B join=append ! " +
           decode + sink,
       true},
      // All of the parent waits in the queue while its beginning is shown.
      {"queue2 behind", film + "queue2 ! " + decode + sink},
      // Either of the two elements may find first that the film has run out. The message of one
      // must not leave the pipeline paused, or playing, against the other.
      {"buffering queue2 behind",
       film + "queue2 use-buffering=true max-size-buffers=2 ! " + decode + sink, true},
      {"with sound", film + "decodebin name=d d. ! queue ! videoconvert ! " + sink +
                         " d. ! queue ! audioconvert ! fakesink name=audio sync=true"},
  };
  std::vector<Simulator> simulators;
  std::vector<std::unique_ptr<TestPipeline>> runs;
  for (const auto& way : ways) {
    simulators.push_back(start({late}));
    runs.push_back(std::make_unique<TestPipeline>(way.line));
    runs.back()->use(simulators.back());
  }
  std::vector<std::future<Playback>> playbacks;
  for (const auto& run : runs) {
    playbacks.push_back(std::async(std::launch::async, [&run] { return play(*run); }));
  }
  for (std::size_t i = 0; i < runs.size(); ++i) {
    SCOPED_TRACE(ways[i].name);
    const auto seen = playbacks[i].get();
    const auto& run = *runs[i];
    EXPECT_FALSE(run.failure()) << run.failure()->text;
    EXPECT_TRUE(run.eos());
    EXPECT_EQ(seen.shown, 2 * clip_frames);
    if (ways[i].has_queue_messages) {
      EXPECT_THAT(seen.buffering.empty() ? "" : seen.buffering.back(), EndsWith(" 100"));
    } else {
      EXPECT_THAT(of_veoextend(seen.buffering), ElementsAre("b 0", "b 100"));
    }
    for (const auto& one : run.progress()) EXPECT_NE(one.type, "canceled");
  }
}

TEST_F(Buffering, GstLaunchShowsALateClipCompletely) {
  const auto simulator = start({late});
  const auto output =
      output_of("VEO_API_URL=" + simulator.api_url() + " VEO_API_KEY=" + simulator.key() +
                " VEO_LEDGER=" + simulator.ledger() + " VEO_CACHE_DIR=" + simulator.cache() +
                " VEO_POLL_INTERVAL=20 gst-launch-1.0 -v " + film + decode + sink +
                " silent=false 2>&1 | grep -E 'chain  |uffering|ERROR|EOS'");
  std::size_t frames = 0;
  for (auto at = output.find("chain   ***"); at != output.npos;
       at = output.find("chain   ***", at + 1)) {
    ++frames;
  }
  EXPECT_EQ(frames, std::size_t{2 * clip_frames}) << output;
  EXPECT_THAT(output, HasSubstr("Buffering, setting pipeline to PAUSED"));
  EXPECT_THAT(output, HasSubstr("Done buffering, setting pipeline to PLAYING"));
  EXPECT_THAT(output, HasSubstr("Got EOS"));
}

// In a chain the film begins when the last step but one is completed, so only the last step is
// late.
TEST_F(Buffering, AChainOfLateClipsIsShownCompletely) {
  const auto simulator = start({"task:slow=2500ms*2@2"});
  TestPipeline run(film + "veoextend name=c prompt=C join=append ! " + decode + sink);
  run.use(simulator);
  const auto seen = play(run);
  ASSERT_FALSE(run.failure()) << run.failure()->text;
  EXPECT_EQ(seen.shown, 3 * clip_frames);
  EXPECT_THAT(seen.buffering, ElementsAre("c 0", "c 100"));
}

TEST_F(Buffering, AClipInTimeNeedsNoPause) {
  const auto simulator = start({});
  TestPipeline run(film + decode + sink);
  run.use(simulator);
  const auto seen = play(run);
  ASSERT_FALSE(run.failure()) << run.failure()->text;
  EXPECT_EQ(seen.shown, 2 * clip_frames);
  EXPECT_THAT(seen.buffering, IsEmpty());
}

// No frame can be late where no sink keeps to the clock. A live pipeline cannot wait. With
// join=auto the film begins when all of it is there.
TEST_F(Buffering, NothingIsPostedWithoutNeed) {
  const std::string lines[] = {
      film + "filesink location=" + directory_.file("film.mp4"),
      film + decode + "fakesink sync=false",
      film + decode + sink +
          " videotestsrc is-live=true num-buffers=60 ! video/x-raw,framerate=30/1 ! "
          "fakesink sync=true",
      "veosrc prompt=A ! veoextend prompt=B ! " + decode + sink,
  };
  std::vector<Simulator> simulators;
  std::vector<std::unique_ptr<TestPipeline>> runs;
  for (const auto& line : lines) {
    simulators.push_back(start({late}));
    runs.push_back(std::make_unique<TestPipeline>(line));
    runs.back()->use(simulators.back());
    runs.back()->start();
  }
  for (std::size_t i = 0; i < runs.size(); ++i) {
    SCOPED_TRACE(lines[i]);
    const auto message = runs[i]->next(GST_MESSAGE_BUFFERING);
    ASSERT_TRUE(message);
    EXPECT_EQ(GST_MESSAGE_TYPE(message.get()), GST_MESSAGE_EOS);
    EXPECT_FALSE(runs[i]->failure());
  }
}

// A pipeline that stays paused would never show the rest of the film, and never end.
TEST_F(Buffering, AFailureEndsThePauseAndComesAfterTheLastFrame) {
  const std::string lines[] = {
      film + decode + sink,
      // A decoder of many threads keeps most of the clip until the end of the stream.
      film + "qtdemux ! h264parse ! avdec_h264 max-threads=16 ! queue ! " + sink,
      film + "queue2 ! " + decode + sink,
      film + "decodebin name=d d. ! queue ! videoconvert ! " + sink +
          " d. ! queue ! audioconvert ! fakesink name=audio sync=true",
      // Another source plays for ever beside the film.
      film + decode + sink + " videotestsrc ! video/x-raw,framerate=10/1 ! fakesink sync=true",
  };
  for (const auto& line : lines) {
    SCOPED_TRACE(line);
    const auto simulator = start({late, "task:failed*1@2"});
    TestPipeline run(line);
    run.use(simulator);
    const auto seen = play(run);
    ASSERT_TRUE(run.failure());
    EXPECT_EQ(run.failure()->details.at("code"), "task-failed");
    EXPECT_EQ(seen.shown, clip_frames);
    EXPECT_THAT(of_veoextend(seen.buffering), ElementsAre("b 0", "b 100"));
  }
}

/// Waits for BUFFERING 0 %, and heeds the message.
void play_until_dry(TestPipeline& run) {
  run.start();
  const auto message = run.next(GST_MESSAGE_BUFFERING);
  ASSERT_TRUE(message);
  ASSERT_EQ(GST_MESSAGE_TYPE(message.get()), GST_MESSAGE_BUFFERING);
  run.start(GST_STATE_PAUSED);
}

// Some applications answer 100 % by PLAYING. The message would start a stopped pipeline again.
TEST_F(Buffering, AStopDuringThePauseIsAtOnceAndLeavesNothing) {
  const auto simulator = start({"task:slow=1h*1@2"});
  TestPipeline run(film + decode + sink);
  run.use(simulator);
  play_until_dry(run);
  const auto began = std::chrono::steady_clock::now();
  run.start(GST_STATE_READY);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 5s) << "stopping waited for the task";
  const GstPtr<GstBus> bus(gst_element_get_bus(run.pipeline()));
  const MessagePtr more(gst_bus_pop_filtered(bus.get(), GST_MESSAGE_BUFFERING));
  EXPECT_FALSE(more) << note(more.get());
}

// An application can take one film out of a pipeline that goes on.
TEST_F(Buffering, AFilmThatLeavesThePipelineEndsThePause) {
  const auto simulator = start({"task:slow=1h*1@2"});
  TestPipeline run(film + decode + sink);
  run.use(simulator);
  play_until_dry(run);
  gst_element_set_state(run.element("b").get(), GST_STATE_READY);
  const auto message = run.next(GST_MESSAGE_BUFFERING);
  ASSERT_TRUE(message);
  ASSERT_EQ(GST_MESSAGE_TYPE(message.get()), GST_MESSAGE_BUFFERING);
  EXPECT_EQ(note(message.get()), "b 100");
}

}  // namespace
}  // namespace veo::test
