// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Live pipelines with veolivesrc: short versions of what scripts/live runs for minutes. Each frame
// and each sample is looked at.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <optional>
#include <string>
#include <vector>

#include "command.h"
#include "live_pipelines.h"

namespace veo::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using namespace std::chrono_literals;

constexpr unsigned clip_frames = 36;

std::string clip() {
  static const TemporaryDirectory directory;
  static const auto made = make_clip(directory.path(), clip_frames);
  return made;
}

/// Runs in real time. They mostly wait, so all of them run at once.
class Live : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const auto begin = [](auto run, const auto& settings) {
      return std::async(std::launch::async, [run, settings] { return run(settings); });
    };
    clips_ = begin(play_clips, two_clips(24, 48'000));
    converted_ = begin(play_clips, two_clips(30, 44'100));
    mixer_ = begin(play_beside_camera, four_generations());
  }
  static void TearDownTestSuite() {
    for (auto* one : {&clips_, &converted_}) *one = {};
    mixer_ = {};
  }

  static ClipsSettings two_clips(unsigned frames, unsigned rate) {
    ClipsSettings settings;
    settings.clip = clip();
    settings.clip_frames = clip_frames;
    settings.frames = frames;
    settings.rate = rate;
    settings.length = std::nullopt;
    settings.arrivals = {Seconds(0.3), Seconds(2.2)};
    return settings;
  }
  /// One of each kind: played, skipped, failed, refused (or broken).
  static MixerSettings four_generations() {
    MixerSettings settings;
    settings.clip = clip();
    settings.clip_frames = clip_frames;
    settings.generations = 4;
    settings.length = 5s;
    settings.latency = 3s;  // bridges the pauses of a busy machine
    return settings;
  }
  static void expect_two_clips(const ClipsReport& report, const ClipsSettings& settings) {
    EXPECT_GT(report.frames, 2 * clip_frames * settings.frames / 24);
    EXPECT_EQ(report.wrong_steps, 0U);
    EXPECT_EQ(report.sound.breaks, 0U);
    EXPECT_EQ(report.sound.begin, report.begin);
    // The test ends both pads at any time, and one of them can be some ticks ahead.
    EXPECT_NEAR(static_cast<double>(report.sound.samples) / settings.rate,
                static_cast<double>(report.frames) / settings.frames, 0.5);
    ASSERT_THAT(report.clips, SizeIs(2));
    for (const auto& one : report.clips) {
      EXPECT_THAT(one.numbers, SizeIs(clip_frames));
      EXPECT_TRUE(one.has_each_once_in_order());
      // A busy machine may hold a frame, so there is no bound from above.
      EXPECT_GE(one.frames, clip_frames * settings.frames / 24);
    }
    EXPECT_THAT(report.sound.clicks, SizeIs(4));
    EXPECT_LE(report.clicks_apart, GST_SECOND / 48);
    EXPECT_EQ(report.charges, 2);
    EXPECT_THAT(report.messages.warnings, IsEmpty());
  }

  static inline std::future<ClipsReport> clips_;
  static inline std::future<ClipsReport> converted_;
  static inline std::future<MixerReport> mixer_;
};

/// Frames of a pipeline of 24 frames a second, with these numbers.
std::vector<LiveFrame> frames_of(const std::vector<int>& numbers) {
  std::vector<LiveFrame> frames;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    frames.push_back({gst_util_uint64_scale(i, GST_SECOND, 24), GST_SECOND / 24, {numbers[i]}});
  }
  return frames;
}

TEST(LiveWatch, FindsClipsByTheirNumbers) {
  const auto clips = find_clips(frames_of({-1, 0, 1, 1, 2, 0, 1, -1, -1, 0, 2}));
  ASSERT_THAT(clips, SizeIs(3));
  EXPECT_TRUE(clips[0].has_each_once_in_order());
  EXPECT_THAT(clips[0].numbers, ElementsAre(0, 1, 2));
  EXPECT_EQ(clips[0].frames, 4U) << "with the one that is shown twice";
  EXPECT_TRUE(clips[1].has_each_once_in_order());
  EXPECT_FALSE(clips[2].has_each_once_in_order()) << "frame 1 is lost";
  EXPECT_FALSE(find_clips(frames_of({1, 2}))[0].has_each_once_in_order()) << "frame 0 is lost";
}

TEST(LiveWatch, ComparesClicksWithFrames) {
  const auto clips = find_clips(frames_of({-1, -1, 0, 1}));
  const auto begin = clips.at(0).begin;
  EXPECT_EQ(distance_of_clicks(clips, {begin}), 0U);
  EXPECT_EQ(distance_of_clicks(clips, {begin + 7}), 7U);
  EXPECT_EQ(distance_of_clicks(clips, {begin - 7}), 7U);
  EXPECT_EQ(distance_of_clicks(clips, {}), GST_CLOCK_TIME_NONE);
  EXPECT_EQ(distance_of_clicks(clips, {begin, 2 * GST_SECOND}), GST_CLOCK_TIME_NONE);
}

TEST_F(Live, ShowsEachFrameOfEachClipOnceAndHasNoGap) {
  expect_two_clips(clips_.get(), two_clips(24, 48'000));
}

TEST_F(Live, KeepsExactTimesAtOtherRates) {
  expect_two_clips(converted_.get(), two_clips(30, 44'100));
}

TEST_F(Live, LosesNoFrameOfACameraWhileGenerationsFailAndAreSkipped) {
  const auto report = mixer_.get();
  EXPECT_GT(report.frames, 2 * clip_frames);
  EXPECT_EQ(report.camera_lost, 0U);
  EXPECT_EQ(report.samples_lost, 0U);
  EXPECT_LT(report.silent_end, 10s) << "the microphone went silent";
  EXPECT_EQ(report.played, 1U);
  EXPECT_EQ(report.skipped, 1U);
  EXPECT_EQ(report.failed, 2U);
  EXPECT_EQ(report.broken, 0U);
  EXPECT_LE(report.clicks_apart, GST_SECOND / 48);
  EXPECT_EQ(report.charges, report.expected_charges);
  EXPECT_EQ(report.refunds, 1);
  EXPECT_THAT(report.messages.warnings, SizeIs(2));
}

// The tests below count the threads and files of the process, so nothing else runs beside them. The
// first count is taken half way. A connection to the service comes and goes, so one more is no
// leak: a leak leaves one more in each of the loops of the second half.
constexpr unsigned one_that_comes_and_goes = 1;

TEST(LiveAlone, IsExactAfterMinutes) {
  const auto report = simulate_hours({clip(), clip_frames, 3, nullptr});
  EXPECT_EQ(report.wrong_steps, 0U);
  EXPECT_GE(report.frames, 3U * 60 * 24);
  EXPECT_GE(report.sound.samples, 3U * 60 * 48'000);
  EXPECT_EQ(report.sound.breaks, 0U);
  EXPECT_EQ(report.clips, 3U);
  EXPECT_EQ(report.broken, 0U);
  EXPECT_THAT(report.sound.clicks, SizeIs(6));
  EXPECT_LE(report.clicks_apart, GST_SECOND / 48);
  EXPECT_EQ(report.charges, 3);
}

TEST(LiveAlone, StartsAndStopsWithoutAThreadOrAFileMore) {
  const auto report = start_and_stop({clip(), 6});
  EXPECT_EQ(report.loops, 6U);
  EXPECT_LE(report.after.threads, report.before.threads + one_that_comes_and_goes);
  EXPECT_LE(report.after.fds, report.before.fds + one_that_comes_and_goes);
  EXPECT_EQ(report.charges, 1);
}

TEST(LiveAlone, ComesToARunningMixerAndGoes) {
  const auto report = add_and_remove({clip(), 4});
  EXPECT_EQ(report.loops, 4U);
  EXPECT_LE(report.after.threads, report.before.threads + one_that_comes_and_goes);
  EXPECT_LE(report.after.fds, report.before.fds + one_that_comes_and_goes);
  EXPECT_EQ(report.camera_lost, 0U);
  EXPECT_EQ(report.charges, 1);
}

}  // namespace
}  // namespace veo::test
