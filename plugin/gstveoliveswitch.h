// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Decides for each tick (veo/core/frame_grid.h) whether a clip or the filler fills the tick, and
// gives both outputs their halves. A tick is a number on the grid of the running time: tick n
// begins at the running time FrameGrid::time_of(n).
//
//   tick            100      101      102      103      104
//   video output    taken    taken    taken ◄─ next
//   audio output    taken ◄─ next
//   decisions                [101: clip, its samples wait]
//                                     [102: …]
//                                              ▲ decided_until
//
// The output that comes to a tick first makes the decision: it asks the playlist for a frame and
// the samples that belong to it. The other half waits in `decisions`. Pads can be seconds apart for
// ever: an encoder that looks ahead takes the picture before a muxer takes the sound. But if an
// output falls behind by more than the limits allow, because downstream blocks, the clip stops: the
// faster output gets filler, so the memory stays bounded, and no frame is lost. The clip goes on
// when the output has caught up. If that takes long, a WARNING names the pad.
//
// A tick without a decision is plain filler. So an hour of filler needs no memory.
#pragma once

#include <gst/audio/audio.h>
#include <gst/gst.h>
#include <gst/video/video.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "gstveolivefiller.h"
#include "gstveoliveplaylist.h"
#include "veo/core/frame_grid.h"
#include "veo/system/guarded.h"

namespace veo::plugin {

enum class Medium : std::size_t { video, audio };
/// The name of the medium's pad.
constexpr const char* name_of(Medium medium) { return medium == Medium::video ? "video" : "audio"; }

class LiveSwitch {
 public:
  /// How far an output may be behind the other one before the clip stops.
  struct Limits {
    GstClockTime picture = 10 * GST_SECOND;
    GstClockTime sound = 60 * GST_SECOND;
    /// What the pictures that wait may take, in bytes, but for the first second of them.
    std::uint64_t picture_bytes = std::uint64_t{512} << 20U;
  };
  /// Within this many ticks both outputs begin together, whichever begins first.
  static constexpr std::uint64_t together = 48;

  /// What became of an output's last buffer.
  enum class Reception { none, taken, unlinked, ended };

  /// `element` is the bin. It must outlive the switch, as long as an output runs.
  LiveSwitch(GstElement* element, LivePlaylist& playlist, LiveFiller& filler)
      : LiveSwitch(element, playlist, filler, Limits{}) {}
  LiveSwitch(GstElement* element, LivePlaylist& playlist, LiveFiller& filler, const Limits& limits)
      : element_(element), playlist_(playlist), filler_(filler), limits_(limits) {}

  // --- state changes; no streaming thread runs ---

  void start(const FrameGrid& grid);
  void stop();

  // --- streaming threads ---

  /// An output has negotiated its format. False: a clip may have been made in another format
  /// already, so the format cannot change any more.
  bool set_format(const GstVideoInfo& format);
  bool set_format(const GstAudioInfo& format);
  [[nodiscard]] bool has_fixed_formats() const;
  /// Whether the filler would use an alpha channel.
  [[nodiscard]] bool prefers_alpha() const;

  struct Turn {
    GstClockTime running_time;  ///< when the buffer is due
    Buffer buffer;              ///< with its times; null: there is no memory for it
  };
  /// Returns what the output sends next. `now` is the running time. The first tick after start()
  /// or restart() is the tick that `now` is in.
  Turn take_turn(Medium medium, GstClockTime now);
  /// The output has lost its place: a flush has ended, or the running time has jumped.
  void restart(Medium medium);
  /// The output has pushed a buffer. The requests begin when each linked pad has taken a buffer, so
  /// caps that downstream does not take are found before anything is paid.
  void on_pushed(Medium medium, GstFlowReturn flow);

  // --- any thread ---

  /// Returns the id that makes both pads one group of streams.
  [[nodiscard]] guint group_id() const;
  /// Returns the duration of a tick, rounded up. nullopt before start().
  [[nodiscard]] std::optional<GstClockTime> tick_duration() const;

 private:
  /// What fills `count` ticks from `first`. The halves are null in filler, and when they are taken.
  struct Decision {
    std::uint64_t first = 0;
    std::uint64_t count = 1;
    LiveTick halves;
  };
  struct Output {
    std::optional<std::uint64_t> next;  // nullopt: the next tick depends on the time
    bool has_begun = false;             // since the origin was decided
    Reception reception = Reception::none;
  };
  struct State {
    std::optional<FrameGrid> grid;
    guint group_id = 0;
    std::optional<GstVideoInfo> video;
    std::optional<GstAudioInfo> audio;
    bool has_requested = false;  // start_requests() was called
    std::array<Output, 2> outputs;
    std::optional<std::uint64_t> origin;  // the first tick of both outputs
    std::uint64_t decided_until = 0;
    std::deque<Decision> decisions;
    std::uint64_t held_ticks = 0;  // in a row: a clip could play, and an output is too far behind
    bool has_warned = false;

    Output& of(Medium medium) { return outputs.at(static_cast<std::size_t>(medium)); }
    Output& other_of(Medium medium) { return outputs.at(1 - static_cast<std::size_t>(medium)); }
  };

  static std::uint64_t find_next(const State& state, const Output& output);
  void begin(State& state, Medium medium, GstClockTime now) const;
  void decide(State& state, Medium medium, std::uint64_t tick);
  [[nodiscard]] std::uint64_t most_ticks_behind(const State& state, Medium medium) const;
  void warn_of_held_clip(Medium behind) const;
  Buffer take_picture(State& state, std::uint64_t tick);
  Buffer take_sound(State& state, std::uint64_t tick);
  static Decision* find_decision(State& state, std::uint64_t tick);
  static void drop_passed(State& state);

  GstElement* const element_;
  LivePlaylist& playlist_;
  LiveFiller& filler_;
  const Limits limits_;
  Guarded<State> state_;
};

}  // namespace veo::plugin
