// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Runs of live pipelines with veolivesrc against the simulator. live_test.cpp has short ones for
// the default suites; scripts/live has the long ones, and prints what they saw.
#pragma once

#include <gst/gst.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "live_watch.h"
#include "simulator.h"
#include "test_pipeline.h"

namespace veo::test {

using Seconds = std::chrono::duration<double>;

/// A file with a clip of the simulator: 1280x720, 24 frames a second, numbers and clicks.
std::string make_clip(const std::string& folder, unsigned frames);

/// What a veolivesrc said.
struct LiveMessages {
  std::vector<std::string> states;    ///< of the `veo-live` messages: filler, playing
  std::vector<std::string> warnings;  ///< the codes of the `veo-error` details; else the text
  std::optional<std::string> error;
  bool eos = false;
  [[nodiscard]] std::size_t count(const std::string& state) const;
};

/// A pipeline that goes on for as long as the application wants.
class LivePipeline {
 public:
  explicit LivePipeline(const std::string& line);
  ~LivePipeline();
  LivePipeline(const LivePipeline&) = delete;
  LivePipeline& operator=(const LivePipeline&) = delete;

  [[nodiscard]] GstElement* get() const { return pipeline_.get(); }
  [[nodiscard]] GstPtr<GstElement> element(const std::string& name) const;
  void start();
  void stop();
  /// Takes messages until `is_over()` is true. Throws if an ERROR comes, or if that takes longer
  /// than `limit`, which is the time of a hang.
  void run_until(const std::string& what, const std::function<bool()>& is_over,
                 Seconds limit = std::chrono::seconds(60));
  /// Takes messages for so long.
  void run_for(Seconds time);
  /// Takes the messages that are there.
  void take_messages(GstClockTime wait = 0);
  /// Sends EOS and takes messages until EOS comes.
  void end();
  [[nodiscard]] const LiveMessages& messages() const { return messages_; }

 private:
  GstPtr<GstElement> pipeline_;
  GstPtr<GstBus> bus_;
  LiveMessages messages_;
};

/// Points a veolivesrc to the simulator.
void use(GstElement* element, const Simulator& simulator);

/// A process: what it holds, and what it has used.
struct ProcessFigures {
  double resident_kib = 0;
  double heap_kib = 0;    ///< what malloc() has given out, without the next
  double sqlite_kib = 0;  ///< SQLite's, which keeps up to 2 MiB of a ledger that grows
  unsigned threads = 0;
  unsigned fds = 0;
  double cpu_seconds = 0;
};
ProcessFigures figures_of_process();

/// --- clips that arrive one after the other, in a pipeline without anything else ---
struct ClipsSettings {
  std::string clip;  ///< the file of each clip
  unsigned clip_frames = 192;
  unsigned frames = 24;                         ///< a second, of the pipeline
  unsigned rate = 48'000;                       ///< samples a second, of the pipeline
  std::optional<Seconds> length = Seconds(60);  ///< nullopt: until the last clip has ended
  std::vector<Seconds> arrivals{Seconds(7), Seconds(20), Seconds(41)};
};
struct ClipsReport {
  std::size_t frames = 0;
  std::size_t wrong_steps = 0;  ///< frames that are not exactly one frame behind the one before
  GstClockTime begin = GST_CLOCK_TIME_NONE;  ///< the running time of the first frame
  LiveSound sound;
  std::vector<ShownClip> clips;
  GstClockTime clicks_apart = GST_CLOCK_TIME_NONE;
  int charges = 0;
  LiveMessages messages;
};
ClipsReport play_clips(const ClipsSettings& settings);

/// --- generations at random, beside a camera, behind a compositor and an audiomixer ---
struct MixerSettings {
  std::string clip;
  unsigned clip_frames = 192;
  unsigned generations = 30;  ///< 0: the camera is alone
  unsigned seed = 1;
  Seconds length{600};   ///< about so long
  Seconds latency{0.2};  ///< of the mixers
};
struct MixerReport {
  std::size_t frames = 0;          ///< behind the compositor
  std::size_t camera_lost = 0;     ///< places at which the camera's numbers do not go on by one
  std::uint64_t samples = 0;       ///< behind the audiomixer
  std::uint64_t samples_lost = 0;  ///< places at which the microphone's samples do not go on by one
  Seconds silent_end{0};           ///< after the last sample of the microphone
  unsigned played = 0;             ///< generations whose clip was shown completely
  unsigned skipped = 0;
  unsigned failed = 0;
  unsigned broken = 0;  ///< clips that were not what was expected of them
  GstClockTime clicks_apart = GST_CLOCK_TIME_NONE;
  int charges = 0;
  int refunds = 0;
  int expected_charges = 0;
  LiveMessages messages;
};
MixerReport play_beside_camera(const MixerSettings& settings);

/// --- an hour with a clip each minute ---
struct SoakSettings {
  std::string clip;
  Seconds length{3600};
  Seconds interval{60};
  std::function<void(unsigned number, Seconds time, const ProcessFigures&)> on_sample;
};
struct SoakReport {
  std::vector<ProcessFigures> samples;
  std::size_t clips = 0;
  int charges = 0;
};
/// Compares the last third of the samples with the one before. Returns a text for each figure that
/// grew.
std::vector<std::string> find_growth(const std::vector<ProcessFigures>& samples);
SoakReport soak(const SoakSettings& settings);

/// --- hours in minutes: a clock that goes on as fast as the pipeline does ---
struct HoursSettings {
  std::string clip;
  unsigned clip_frames = 48;
  unsigned minutes = 600;
  std::function<void(unsigned minute, const ProcessFigures&)> on_minute;
};
struct HoursReport {
  std::uint64_t frames = 0;
  std::uint64_t wrong_steps = 0;
  LiveSound sound;
  unsigned clips = 0;   ///< each frame once, in order
  unsigned broken = 0;  ///< other clips
  std::uint64_t held =
      0;  ///< frames that were shown again, because the decoder is slower than the clock
  GstClockTime clicks_apart = 0;
  std::vector<ProcessFigures> samples;  ///< one for each minute
  int charges = 0;
};
HoursReport simulate_hours(const HoursSettings& settings);

/// --- NULL and PLAYING; added to a running mixer and removed ---
struct LoopsSettings {
  std::string clip;
  unsigned loops = 100;
};
struct LoopsReport {
  unsigned loops = 0;
  ProcessFigures before;  ///< after half of the loops
  ProcessFigures after;
  std::size_t camera_lost = 0;  ///< only with a mixer
  int charges = 0;
};
LoopsReport start_and_stop(const LoopsSettings& settings);
LoopsReport add_and_remove(const LoopsSettings& settings);

}  // namespace veo::test
