// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Pauses the playback of a film whose next clip is late. A sink drops the frames that are later
// than a few milliseconds, so without a pause nobody would see that clip.
//
//   all bytes of the film so far are pushed         PlaybackPause is made
//        │ the position is near the film's end  ──► BUFFERING 0 %    the application pauses
//        │ the next bytes are here              ──► BUFFERING 100 %  the application plays
//   the next bytes are pushed                       PlaybackPause is destroyed
//
// 0 % must come neither early nor late. The queues downstream may hold all of the film when its
// last byte is pushed, and a pause at that moment would stop the film's first frame. If 0 % comes
// when the sink has shown the last frame, the clock runs on until the application has paused, and
// the next frames are late. Therefore the position decides. Nothing tells an element when the
// position changes, so the thread asks for the position again and again.
//
// 100 % comes before the next bytes are pushed, and not behind them: the sinks of a paused pipeline
// take one buffer, and a push that fills the queues would wait for PLAYING.
#pragma once

#include <gst/gst.h>

#include <memory>
#include <optional>
#include <thread>

#include "gstveoowned.h"
#include "veo/media/clip_format.h"
#include "veo/system/wakeup.h"

namespace veo::plugin {

/// Whether a sink in the outermost bin of `element` keeps to the clock.
bool has_synchronised_sink(GstElement* element);

/// Blocks until the sinks among them that play the stream of `element` have shown all that was
/// pushed. Gives up after some seconds if no sink plays the stream. EOS must have been pushed, so
/// each of the sinks posts the message EOS when its last frame has had its time. Returns early if
/// `wakeup` is interrupted.
void wait_until_shown(GstElement* element, Wakeup& wakeup);

/// Only the film's thread makes and destroys this object.
class PlaybackPause {
 public:
  /// What has been pushed of a film.
  struct Film {
    guint64 frames = 0;
    media::FrameRate rate;
  };

  /// `is_awaited`: nobody knows when the next bytes come. Otherwise they are on their way, and the
  /// playback is not paused for the moment that a fragment takes.
  PlaybackPause(GstElement* element, Film film, bool is_awaited);
  /// Posts 100 % if 0 % was posted, unless the application stops the pipeline. After that, no
  /// thread posts any more.
  ~PlaybackPause();
  PlaybackPause(const PlaybackPause&) = delete;
  PlaybackPause& operator=(const PlaybackPause&) = delete;

 private:
  /// Posts 0 % when the position is near the film's end. The thread runs this function.
  void watch(bool is_awaited);
  /// Whether a sink shows something live.
  [[nodiscard]] bool is_live() const;
  /// Whether the pipeline plays, and its state does not change.
  [[nodiscard]] bool is_playing() const;
  /// Whether the application itself takes the pipeline to READY or NULL.
  [[nodiscard]] bool is_stopping() const;
  /// Returns how far the sinks that keep to the clock are. nullopt: there is no such sink, or none
  /// has a buffer.
  [[nodiscard]] std::optional<GstClockTime> find_position() const;
  void post(int percent);

  GstElement* const element_;
  const Owned<GstObject> top_;  // the outermost bin, which is the pipeline
  const Film film_;
  const GstClockTime end_;  // of the film
  Wakeup wakeup_;           // interrupted: the thread ends
  bool is_paused_ = false;  // 0 % was posted. Only the thread uses it until the thread has ended
  std::thread thread_;
};

}  // namespace veo::plugin
