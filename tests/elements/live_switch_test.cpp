// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What both outputs of veolivesrc get from LiveSwitch, without a clock: each output takes its turn
// when the test wants it.
#include "gstveoliveswitch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "frame_number.h"
#include "gstveolivefiller.h"
#include "live_run.h"

namespace veo::test {
namespace {

using plugin::LiveFiller;
using plugin::LiveSwitch;
using plugin::Medium;
using testing::Each;
using namespace std::chrono_literals;

constexpr guint64 samples_per_tick = 2'000;
/// How far an output may be behind the other one.
constexpr GstClockTime window = 2 * GST_SECOND;
constexpr int window_ticks = 48;

/// Takes the turns of both outputs.
class SwitchRun {
 public:
  explicit SwitchRun(const LiveSwitch::Limits& limits = {.picture = window, .sound = window})
      : simulator_(Simulator::start({"--generation-time", "0s"})),
        run_(simulator_),
        element_(GST_ELEMENT(gst_object_ref_sink(gst_bin_new("switch")))),
        filler_(element_.get()),
        switch_(element_.get(), run_.playlist(), filler_, limits) {
    switch_.start(FrameGrid(24, 1, 48'000));
    GstVideoInfo video;
    gst_video_info_set_format(&video, GST_VIDEO_FORMAT_I420, 1280, 720);
    EXPECT_TRUE(switch_.set_format(video));
    GstAudioInfo audio;
    gst_audio_info_set_format(&audio, GST_AUDIO_FORMAT_F32LE, 48'000, 2, nullptr);
    EXPECT_TRUE(switch_.set_format(audio));
    run_.set_prompt("A");
    run_.start();
  }
  ~SwitchRun() {
    run_.stop();
    switch_.stop();
    filler_.stop();
  }
  SwitchRun(const SwitchRun&) = delete;
  SwitchRun& operator=(const SwitchRun&) = delete;

  [[nodiscard]] LiveSwitch& live_switch() { return switch_; }
  [[nodiscard]] bool is_playing() { return run_.playlist().is_playing(); }

  /// Takes a frame. Returns its number, or LiveRun::filler.
  int take_frame(GstClockTime now = 0) {
    auto turn = switch_.take_turn(Medium::video, now);
    frame_times.push_back(turn.running_time);
    GstMapInfo map;
    int number = LiveRun::filler;
    if (gst_buffer_map(turn.buffer.get(), &map, GST_MAP_READ) != FALSE) {
      number = static_cast<int>(read_frame_number(map.data, 1280, 1280, 720)
                                    .value_or(static_cast<unsigned>(LiveRun::filler)));
      gst_buffer_unmap(turn.buffer.get(), &map);
    }
    frames.push_back(number);
    return number;
  }

  /// Takes the sound of a tick. Returns whether a clip has made it.
  bool take_sound(GstClockTime now = 0) {
    auto turn = switch_.take_turn(Medium::audio, now);
    sound_times.push_back(turn.running_time);
    EXPECT_EQ(gst_buffer_get_size(turn.buffer.get()), samples_per_tick * 2 * sizeof(float));
    sounds.push_back(!GST_BUFFER_FLAG_IS_SET(turn.buffer.get(), GST_BUFFER_FLAG_GAP));
    return sounds.back();
  }

  /// Takes turns of both outputs until `is_so()` is true.
  template <class Condition>
  void take_both_until(Condition is_so) {
    const auto end = std::chrono::steady_clock::now() + 60s;
    while (!is_so()) {
      if (std::chrono::steady_clock::now() > end) throw std::runtime_error("waited in vain");
      take_frame();
      take_sound();
      std::this_thread::sleep_for(2ms);  // as a clock would
    }
  }

  std::vector<int> frames;
  std::vector<bool> sounds;
  std::vector<GstClockTime> frame_times;
  std::vector<GstClockTime> sound_times;

 private:
  struct Unref {
    void operator()(void* object) const { gst_object_unref(object); }
  };
  Simulator simulator_;
  LiveRun run_;
  std::unique_ptr<GstElement, Unref> element_;
  LiveFiller filler_;
  LiveSwitch switch_;
};

/// The frames of the clip, each once. A frame that stays for several ticks counts once.
std::vector<int> shown_by(std::vector<int> frames) {
  std::erase(frames, LiveRun::filler);
  frames.erase(std::unique(frames.begin(), frames.end()), frames.end());
  return frames;
}

void expect_times(const std::vector<GstClockTime>& times) {
  for (std::size_t i = 0; i < times.size(); ++i) {
    EXPECT_EQ(times[i], gst_util_uint64_scale(i, GST_SECOND, 24)) << i;
  }
}

/// Plays a clip. `medium` stops in its middle, and catches up later.
void block_in_the_middle(SwitchRun& run, Medium medium) {
  run.take_both_until([&] { return run.frames.size() > 1 && run.frames.back() == 20; });
  constexpr int blocked = 200;
  std::size_t taken_alone = 0;
  for (int i = 0; i < blocked; ++i) {
    std::this_thread::sleep_for(2ms);
    if (medium == Medium::video) {
      if (run.take_sound()) ++taken_alone;
    } else {
      run.take_frame();
    }
  }
  if (medium == Medium::video) {
    EXPECT_LE(taken_alone, window_ticks + 1);
    for (int i = 0; i < blocked; ++i) run.take_frame();
  } else {
    EXPECT_LE(run.frames.back(), 20 + window_ticks + 1);
    for (int i = 0; i < blocked; ++i) run.take_sound();
  }
  run.take_both_until([&] { return !run.is_playing(); });
}

TEST(LiveSwitch, LosesNothingWhileAnOutputIsBlocked) {
  for (const auto medium : {Medium::video, Medium::audio}) {
    SCOPED_TRACE(plugin::name_of(medium));
    SwitchRun run;
    block_in_the_middle(run, medium);
    EXPECT_EQ(shown_by(run.frames), numbers(0, 192));
    EXPECT_EQ(std::count(run.sounds.begin(), run.sounds.end(), true), 192);
    expect_times(run.frame_times);
    expect_times(run.sound_times);
    // The clip's last frame stays while the clip waits: no black in its middle.
    const auto first = std::find(run.frames.begin(), run.frames.end(), 0);
    const auto last = std::find(run.frames.begin(), run.frames.end(), 191);
    EXPECT_EQ(std::find(first, last, LiveRun::filler), last);
    // Sound and picture stay together, also behind the interruption.
    for (std::size_t i = 0; i < run.frames.size(); ++i) {
      if (run.sounds[i]) {
        EXPECT_NE(run.frames[i], LiveRun::filler) << i;
      }
    }
  }
}

// An encoder that looks ahead takes seconds of the picture before a muxer takes the sound, and a
// sink that is late stays late.
TEST(LiveSwitch, AConstantDistanceStopsNothing) {
  constexpr int distance = 150;
  for (const auto ahead : {Medium::video, Medium::audio}) {
    SCOPED_TRACE(plugin::name_of(ahead));
    SwitchRun run(LiveSwitch::Limits{});
    for (int i = 0; i < distance; ++i) {
      if (ahead == Medium::video) {
        run.take_frame();
      } else {
        run.take_sound();
      }
    }
    const auto& heard = run.sounds;
    const auto count = [&] { return std::count(heard.begin(), heard.end(), true); };
    run.take_both_until([&] {
      return count() == 192 && !run.frames.empty() && run.frames.back() != 191 &&
             shown_by(run.frames).size() == 192;
    });
    EXPECT_EQ(shown_by(run.frames), numbers(0, 192));
  }
}

TEST(LiveSwitch, BeginsBothOutputsAtOneTick) {
  SwitchRun run;
  run.take_frame(GST_SECOND);
  run.take_sound(GST_SECOND + 100 * GST_MSECOND);
  EXPECT_EQ(run.frame_times.back(), GST_SECOND);
  EXPECT_EQ(run.sound_times.back(), GST_SECOND);
}

TEST(LiveSwitch, BeginsInTheTickThatTheTimeIsIn) {
  SwitchRun run;
  run.take_frame(GST_SECOND + 40 * GST_MSECOND);
  EXPECT_EQ(run.frame_times.back(), GST_SECOND);
}

TEST(LiveSwitch, GoesOnAtThePresentAfterAFlush) {
  SwitchRun run;
  for (int i = 0; i < 10; ++i) {
    run.take_frame();
    run.take_sound();
  }
  // One output alone.
  run.live_switch().restart(Medium::audio);
  run.take_sound(2 * GST_SECOND);
  EXPECT_EQ(run.sound_times.back(), 2 * GST_SECOND);
  run.take_frame(2 * GST_SECOND);
  EXPECT_EQ(run.frame_times.back(), gst_util_uint64_scale(10, GST_SECOND, 24));
  // Both outputs, and the running time begins at 0 again.
  run.live_switch().restart(Medium::video);
  run.live_switch().restart(Medium::audio);
  run.take_sound(0);
  run.take_frame(60 * GST_MSECOND);
  EXPECT_EQ(run.sound_times.back(), 0U);
  EXPECT_EQ(run.frame_times.back(), 0U);
}

TEST(LiveSwitch, AnOutputThatHasEndedHoldsNothingUp) {
  SwitchRun run;
  run.take_both_until([&] { return run.frames.size() > 1 && run.frames.back() == 5; });
  run.live_switch().on_pushed(Medium::audio, GST_FLOW_EOS);
  while (run.is_playing()) {
    run.take_frame();
    std::this_thread::sleep_for(2ms);
  }
  EXPECT_EQ(shown_by(run.frames), numbers(0, 192));
}

}  // namespace
}  // namespace veo::test
