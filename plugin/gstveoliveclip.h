// SPDX-License-Identifier: LGPL-2.1-or-later
//
// LiveClip generates one clip, or fetches a paid one, decodes it, and gives its frames and samples
// tick by tick. It is a pipeline of its own, and no child of veolivesrc, so the state of
// veolivesrc's pipeline has no influence on it:
//
//   veosrc ──► decodebin ──► videoconvertscale ──► capsfilter ──► appsink ──┐
//                       └──► audioconvert ──► audioresample ──► … appsink ──┴──► take()
//
// The pipeline runs as soon as it is begun. The appsinks hold the look-ahead: 12 frames and as much
// sound, and then the pipeline waits: take() is what makes it go on. So a clip that waits for its
// turn costs little memory, and its first ticks are ready.
//
// A tick is one frame of the output and the samples that belong to it. Frames are placed by their
// times: each tick takes the frame whose begin is nearest to the tick's. So a clip of the output's
// rate gives each frame once, a clip of N frames and another rate gives round(N * output / clip)
// frames, and no element may add or drop frames at the end. Sound is placed by its times relative
// to the first frame. A gap is silence, and sound of the same moment is cut. A clip lasts as long
// as its picture.
//
// Threads. The control thread (LivePlaylist) calls begin(), post_messages() and close(). One thread
// at a time calls take(). Any thread may call the other functions. The pipeline's own threads call
// the private functions on_…(), which take a lock for a moment and notify. No callback runs after
// close(): it sets the pipeline to NULL, which ends the pipeline's threads.
//
// The states of the appsinks are locked. A full appsink holds a lock until take() makes room, and a
// change of its state to PLAYING needs that lock. When the decoder is ready, a thread of
// GStreamer's sets all elements of the pipeline to PLAYING; it would wait for a full appsink, and
// close() would wait for that thread. So the appsinks play before the pipeline begins, and stop
// before the pipeline stops, which also frees the threads that wait in them.
//
// Destruction: close() first (the appsinks in NULL, then the pipeline in NULL, its threads ended,
// the job released), then the messages that close() has caused can be posted, then the frames, then
// the pipeline.
#pragma once

#include <gst/app/gstappsink.h>
#include <gst/gst.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gstveolivetick.h"
#include "gstveoowned.h"
#include "gstveoproperties.h"
#include "gstveosrc.h"
#include "veo/source/source.h"
#include "veo/system/guarded.h"

namespace veo::plugin {

/// Tells the application that a property has changed, if the element has this property.
void notify_property(GstElement* element, const char* property);

class LiveClip {
 public:
  struct Settings {
    GstElement* element = nullptr;  ///< the messages come from this element
    LiveFormats formats;
    ElementSettings request;
    /// A repetition posts only WARNINGs, because its task was reported before.
    bool is_repetition = false;
    /// Called when another result of is_ready(), has_failed() or is_empty() is possible, and when
    /// post_messages() has something to post. Any thread; must not block.
    std::function<void()> on_change;
  };

  /// The result of take(): a tick, or why there is none.
  struct Taken {
    enum class Kind {
      tick,
      late,   ///< the clip goes on, and its next frame or its sound is not here yet
      ended,  ///< the clip has no more frames
    };
    Kind kind = Kind::late;
    LiveTick tick;
  };

  /// Makes the pipeline and lets it run. Fails if GStreamer lacks an element; then nothing was
  /// sent.
  static Result<std::shared_ptr<LiveClip>> begin(Settings settings);
  ~LiveClip();
  LiveClip(const LiveClip&) = delete;
  LiveClip& operator=(const LiveClip&) = delete;

  /// Ends the pipeline, and releases the job: a submission that has begun still ends, and is
  /// recorded. take() must not run.
  void close();
  /// Posts the messages of the pipeline as messages of the element, in their order. An ERROR
  /// becomes a WARNING.
  void post_messages();

  /// Returns the next tick, with `samples` samples. Never waits.
  [[nodiscard]] Taken take(std::size_t samples);

  /// Whether the look-ahead is full, or the clip is shorter than that.
  [[nodiscard]] bool is_ready() const;
  /// Whether an error has ended the clip. take() still gives the frames that were decoded before.
  [[nodiscard]] bool has_failed() const;
  /// Whether the clip has ended without a frame, and without an error: a dry run.
  [[nodiscard]] bool is_empty() const;
  [[nodiscard]] Source::Snapshot snapshot() const;
  [[nodiscard]] const Settings& settings() const { return settings_; }

 private:
  /// What the pipeline's threads report.
  struct Progress {
    guint frames = 0;          // that have arrived, up to look_ahead_
    guint sounds = 0;          // buffers of sound that have arrived, up to look_ahead_sounds_
    bool has_sound = true;     // until no-more-pads says otherwise
    bool is_complete = false;  // the picture has ended
    bool is_sound_complete = false;
    bool has_failed = false;
    bool is_closing = false;
    std::vector<Owned<GstMessage>> messages;
  };
  /// A frame of the clip, with its times relative to the first frame.
  struct Frame {
    Buffer buffer;
    GstClockTime begin = 0;
    GstClockTime end = 0;
  };
  /// Sound of the clip, placed by samples relative to the first frame.
  struct Sound {
    Buffer buffer;
    std::int64_t begin = 0;
    std::int64_t end = 0;
  };

  explicit LiveClip(Settings settings);
  Status build();
  Status build_video(GstElement* pipeline);
  Status build_audio(GstElement* pipeline);
  void set_sinks(GstState state);

  static void on_pad_added(GstElement* decoder, GstPad* pad, gpointer self);
  static void on_no_more_pads(GstElement* decoder, gpointer self);
  static GstBusSyncReply on_message(GstBus* bus, GstMessage* message, gpointer self);
  static GstFlowReturn on_frame(GstAppSink* sink, gpointer self);
  static GstFlowReturn on_sound(GstAppSink* sink, gpointer self);
  static void on_frames_end(GstAppSink* sink, gpointer self);
  static void on_sounds_end(GstAppSink* sink, gpointer self);

  void link(GstPad* pad);
  void keep(GstMessage* message);
  void fail_with(const Error& error);
  [[nodiscard]] Owned<GstMessage> make_warning(GstMessage* error) const;

  [[nodiscard]] std::optional<Frame> pull_frame();
  bool pull_sound();
  [[nodiscard]] bool has_sound_until(std::int64_t position);
  [[nodiscard]] Buffer make_sound(std::int64_t begin, std::int64_t end);

  const Settings settings_;
  // How many frames and how many buffers of sound a clip that waits has decoded.
  const guint look_ahead_;
  const guint look_ahead_sounds_;
  Owned<GstElement> pipeline_;  // owns the elements below
  GstVeoSrc* source_ = nullptr;
  GstElement* video_ = nullptr;  // the first element behind a pad of video
  GstElement* audio_ = nullptr;
  GstAppSink* video_sink_ = nullptr;
  GstAppSink* audio_sink_ = nullptr;
  bool is_closed_ = false;  // only the control thread

  Guarded<Progress> progress_;

  // Only the caller of take() uses the members below.
  std::optional<Frame> shown_;
  std::optional<Frame> next_;
  std::deque<Sound> sounds_;
  std::int64_t sound_end_ = 0;                 // of the newest sound
  GstClockTime origin_ = GST_CLOCK_TIME_NONE;  // running time of the first frame
  GstClockTime newest_end_ = 0;                // of the newest frame
  guint64 tick_ = 0;
  std::int64_t position_ = 0;  // samples before this tick
};

}  // namespace veo::plugin
