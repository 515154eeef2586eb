// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Plays a LivePlaylist by hand, as the outputs of veolivesrc do, but without a clock: each tick is
// taken as soon as the test wants it.
#pragma once

#include <gst/gst.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "gstveoliveplaylist.h"
#include "simulator.h"

namespace veo::test {

/// A format of the outputs: width and height, frames a second, samples a second.
struct LiveShape {
  int width = 1280;
  int height = 720;
  int rate = 24;
  int samples = 48000;
};

class LiveRun {
 public:
  static constexpr int filler = -1;
  static constexpr int unreadable = -2;

  struct Warning {
    std::string text;
    std::map<std::string, std::string> details;  ///< of the structure `veo-error`
  };
  struct State {
    std::string state;
    std::string task_id;
    guint64 tick = 0;
    bool is_repetition = false;
  };

  explicit LiveRun(const Simulator& simulator, LiveShape shape = {});
  ~LiveRun();
  LiveRun(const LiveRun&) = delete;
  LiveRun& operator=(const LiveRun&) = delete;

  /// Changes the properties, without a word to the playlist.
  void change(const std::function<void(plugin::ElementSettings&)>& how);
  /// Sets the prompt, as g_object_set() does.
  void set_prompt(const std::string& prompt);
  /// The element starts, and its outputs have pushed their first buffers.
  void start();
  void stop();
  [[nodiscard]] plugin::LivePlaylist& playlist() { return *playlist_; }

  /// Sets `task-id`, as g_object_set() does.
  void set_task(const std::string& id);
  /// From now on, the number of a frame is read from this line of the picture on.
  void read_numbers_from(int line) { first_line_ = line; }
  /// The brightness of the first and of the middle point of the newest frame.
  [[nodiscard]] std::pair<int, int> corner_and_middle() const { return brightness_; }
  /// Takes one tick. Adds it to frames() and sound(), unless the clip's next frame is only late.
  void tick();
  /// Takes ticks until `is_so()` is true. Throws std::runtime_error after 60 s.
  void tick_until(const std::string& what, const std::function<bool()>& is_so);
  /// Waits, without a tick, until a clip can follow the one that plays.
  void await_ready_clip();
  /// Takes `count` ticks of clips.
  void play(std::size_t count);
  /// Takes ticks until the clip, or the clips, that begin have ended.
  void play_to_filler();

  /// The number in the picture of each tick, or filler.
  [[nodiscard]] const std::vector<int>& frames() const { return frames_; }
  /// frames() without the filler.
  [[nodiscard]] std::vector<int> shown() const;
  /// The first channel of the sound of all ticks.
  [[nodiscard]] const std::vector<float>& sound() const { return sound_; }
  /// How many ticks had filler because the clip was late.
  [[nodiscard]] int late() const { return late_; }

  // What was posted so far.
  [[nodiscard]] const std::vector<State>& states();
  [[nodiscard]] const std::vector<Warning>& warnings();
  /// Type and code of each PROGRESS.
  [[nodiscard]] const std::vector<std::string>& progress();
  /// The status of each `veo-task` message.
  [[nodiscard]] const std::vector<std::string>& tasks();

 private:
  struct Unref {
    void operator()(void* object) const { gst_object_unref(object); }
  };
  void collect();
  void note(GstMessage* message);
  [[nodiscard]] guint64 samples_before(guint64 tick) const;

  const LiveShape shape_;
  plugin::LiveFormats formats_;
  std::unique_ptr<GstElement, Unref> element_;
  std::unique_ptr<GstBus, Unref> bus_;
  std::mutex mutex_;
  plugin::ElementSettings settings_;  // guarded by mutex_
  guint64 tick_ = 0;
  std::vector<int> frames_;
  std::vector<float> sound_;
  int late_ = 0;
  int first_line_ = 0;
  std::pair<int, int> brightness_;
  std::vector<State> states_;
  std::vector<Warning> warnings_;
  std::vector<std::string> progress_;
  std::vector<std::string> tasks_;
  std::unique_ptr<plugin::LivePlaylist> playlist_;
};

/// The numbers from `first` to before `end`.
std::vector<int> numbers(int first, int end);

}  // namespace veo::test
