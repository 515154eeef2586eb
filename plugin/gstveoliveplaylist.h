// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What veolivesrc plays: the requests of the application, the clips that are made of them, and
// which of the clips gives its frames now. core's LiveRequests decides. A control thread does what
// LiveRequests commands: it begins and ends the clips. The streaming threads take frames, and never
// wait.
//
//   any thread ──────── on_property_set(), request(), skip() … ──┐
//   streaming thread ── take() ──────────────────────────────────┤ under the playlist's lock
//                                                                ▼
//                                                           LiveRequests
//                                                                │ commands
//   control thread ◄─────────────────────────────────────────────┘
//     begins and closes each LiveClip, and posts all messages: those of the clips, and `veo-live`
//
// Only the control thread changes the state of a clip's pipeline, posts messages, and notifies of
// properties (request() posts its own WARNING). It holds no lock then. The lock of the playlist is
// held for moments: LiveRequests decides, and a clip that is decoded gives a tick.
//
// `veo-live` messages tell what is shown: `state` (`filler` or `playing`), `task-id` (empty with
// filler), `running-time` (of the first frame in this state), `repeat` (the clip is a repetition).
//
// PROGRESS: gst-launch-1.0 (1.22 and 1.26) does not change from PAUSED to PLAYING while a PROGRESS
// is open, also in a live pipeline. Here none can be open then: requests begin after the outputs
// have pushed their first buffers, and a live source pushes nothing before PLAYING. After that
// gst-launch-1.0 only prints PROGRESS messages.
//
// Destruction: stop() closes each clip on the control thread, and joins that thread; then the state
// goes. A clip's pipeline calls nothing after its close(), and its callback holds only the Wakeup.
#pragma once

#include <gst/gst.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>

#include "gstveolivetick.h"
#include "gstveoproperties.h"
#include "veo/source/source.h"

namespace veo::plugin {

class LivePlaylist {
 public:
  struct Settings {
    GstElement* element;  ///< the bin, from which all messages come; must outlive the playlist
    /// Returns the properties as they are now. Any thread may call the function.
    std::function<ElementSettings()> read_settings;
  };

  explicit LivePlaylist(Settings settings);
  /// As stop().
  ~LivePlaylist();
  LivePlaylist(const LivePlaylist&) = delete;
  LivePlaylist& operator=(const LivePlaylist&) = delete;

  // --- any thread; none of these blocks ---

  /// `prompt` or `task-id` was set, also to the same value. The caller holds no lock that
  /// read_settings() takes.
  void on_property_set();
  /// Handles the action signal `request`. Fails if the properties cannot be used.
  Status request();
  void skip();
  void flush_requests();
  void set_repeat(bool repeat);
  [[nodiscard]] unsigned pending_requests() const;
  /// Whether requests are taken: from start() to the end of the control thread.
  [[nodiscard]] bool is_running() const;
  /// Whether the next clip, or else a repetition, can follow without filler.
  [[nodiscard]] bool has_ready_clip() const;
  /// Returns what there is to see of the clip that plays, else of the clip that is under way.
  [[nodiscard]] Source::Snapshot snapshot() const;

  // --- state changes: one thread at a time, in the order start(), start_requests(), stop() ---

  /// READY to PAUSED. The control thread begins. Nothing is submitted yet.
  void start();
  /// The linked pads have taken their first buffers, so the requests are begun. A streaming thread
  /// calls this function once after each start(), without the switch's lock.
  void start_requests(const LiveFormats& formats);
  /// Closes all clips and ends the control thread. No streaming thread is in take() then, except
  /// after EOS: take() returns nullopt from then on. stop() may be called twice. On the control
  /// thread, in a handler of a message or of a property, stop() returns at once, and the thread
  /// ends after the handler.
  void stop();

  // --- streaming threads, one at a time, under the switch's lock; none of these blocks ---

  /// Returns the next frame of the clip that plays, or of the next clip if that clip has ended.
  /// nullopt: the tick is filler. `samples` belong to the tick, which begins at `running_time`.
  std::optional<LiveTick> take(std::size_t samples, GstClockTime running_time);
  /// Whether a clip has begun and has not ended. After take() has returned nullopt, the clip's next
  /// frame is late, so the filler is the clip's last frame.
  [[nodiscard]] bool is_playing() const;

 private:
  struct Private;
  std::unique_ptr<Private> p_;
};

}  // namespace veo::plugin
