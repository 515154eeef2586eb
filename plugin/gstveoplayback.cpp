// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstveoplayback.h"

#include <gst/base/gstbasesink.h>

#include <algorithm>
#include <chrono>
#include <system_error>

#include "gstveocontinuation.h"
#include "gstveopipeline.h"

#undef GST_CAT_DEFAULT
#define GST_CAT_DEFAULT gst_veo_extend_debug

namespace veo::plugin {

namespace {

using namespace std::chrono_literals;

/// How long an application may take to pause the pipeline, and later the next clip to reach the
/// sink.
constexpr GstClockTime reaction_time = 500 * GST_MSECOND;
/// How many frames a decoder keeps until more data comes: FFmpeg's decoder keeps one for each of
/// its threads, of which it has 16 at most, and one for the order of the frames. The sink gets
/// these frames together with the next clip, so the pause must come before the first of them is
/// due.
constexpr guint64 decoder_frames = 17;
constexpr auto position_interval = 50ms;
/// How often to look at a pipeline that does not play, or that has no sink with a position. Such a
/// wait may last for all of a generation.
constexpr auto idle_interval = 250ms;
/// How often in a row the position of a playing pipeline is the same before the sinks count as
/// empty. That happens before the margin if a decoder keeps most of a short clip.
constexpr int most_stills = 3;
/// How often to look for the end of the playback. A frame lasts longer.
constexpr auto end_interval = 5ms;
/// How long the film's first buffer may take to a sink.
constexpr auto first_sink_time = 5s;
/// How long the next fragment may take if its bytes are on their way.
constexpr auto fragment_time = 100ms;

GstClockTime time_of(guint64 frames, const media::FrameRate& rate) {
  if (rate.frames <= 0 || rate.seconds <= 0) return 0;
  return gst_util_uint64_scale(frames, GST_SECOND * static_cast<guint64>(rate.seconds),
                               static_cast<guint64>(rate.frames));
}

struct ObjectLock {
  explicit ObjectLock(GstObject* locked) : object(locked) { GST_OBJECT_LOCK(object); }
  ~ObjectLock() { GST_OBJECT_UNLOCK(object); }
  ObjectLock(const ObjectLock&) = delete;
  ObjectLock& operator=(const ObjectLock&) = delete;

  GstObject* const object;
};

/// Calls `look` with each sink of the bin and of the bins inside it.
template <class Look>
void for_each_sink(GstObject* bin, Look look) {
  for_each_element(bin, [&look](GstElement* element) {
    if (GST_IS_BASE_SINK(element)) look(GST_BASE_SINK(element));
  });
}

/// Returns the group of the pad's stream, which demuxers and decoders pass on. nullopt: no stream
/// has come, or it has no group.
std::optional<guint> find_group(GstPad* pad) {
  auto* const start = gst_pad_get_sticky_event(pad, GST_EVENT_STREAM_START, 0);
  if (start == nullptr) return std::nullopt;
  guint group = GST_GROUP_ID_INVALID;
  const bool has_group = gst_event_parse_group_id(start, &group) != FALSE;
  gst_event_unref(start);
  return has_group ? std::optional(group) : std::nullopt;
}

/// Calls `look` with each sink that keeps to the clock, in the outermost bin of `element`.
template <class Look>
void for_each_synchronised_sink(GstElement* element, Look look) {
  const Owned<GstObject> top(find_pipeline(element));
  if (!GST_IS_BIN(top.get())) return;
  for_each_sink(top.get(), [&look](GstBaseSink* sink) {
    if (gst_base_sink_get_sync(sink) != FALSE) look(sink);
  });
}

}  // namespace

bool has_synchronised_sink(GstElement* element) {
  bool has_one = false;
  for_each_synchronised_sink(element, [&](GstBaseSink*) { has_one = true; });
  return has_one;
}

void wait_until_shown(GstElement* element, Wakeup& wakeup) {
  const Owned<GstPad> src(gst_element_get_static_pad(element, "src"));
  const auto ours = find_group(src.get());
  const auto give_up_at = std::chrono::steady_clock::now() + first_sink_time;
  bool is_shown = false;
  do {
    int sinks = 0;
    is_shown = true;
    for_each_synchronised_sink(element, [&](GstBaseSink* sink) {
      // Another source of the pipeline may play for ever.
      if (find_group(GST_BASE_SINK_PAD(sink)) != ours) return;
      ++sinks;
      // The pad before the sink has EOS when its push of the last frame has returned.
      const Owned<GstPad> before(gst_pad_get_peer(GST_BASE_SINK_PAD(sink)));
      is_shown = is_shown && (!before || GST_PAD_IS_EOS(before.get()));
    });
    // The film has no such sink, or has not come to it yet.
    if (sinks == 0) is_shown = std::chrono::steady_clock::now() > give_up_at;
  } while (!is_shown && wakeup.pause(std::chrono::steady_clock::now() + end_interval));
}

PlaybackPause::PlaybackPause(GstElement* element, Film film, bool is_awaited)
    : element_(element),
      top_(find_pipeline(element)),
      film_(film),
      end_(time_of(film.frames, film.rate)) {
  if (!GST_IS_BIN(top_.get()) || end_ == 0) return;
  try {
    thread_ = std::thread([this, is_awaited] { watch(is_awaited); });
  } catch (const std::system_error& error) {
    GST_WARNING_OBJECT(element_, "no BUFFERING, because there is no thread for it: %s",
                       error.what());
  }
}

PlaybackPause::~PlaybackPause() {
  wakeup_.interrupt();
  if (thread_.joinable()) thread_.join();
  if (!is_paused_) return;
  // Some applications answer 100 % by PLAYING, which would start the stopped pipeline again.
  // GStreamer's queues post nothing then, either.
  if (is_stopping()) {
    GST_INFO_OBJECT(element_, "the pipeline stops during BUFFERING");
    return;
  }
  post(100);
}

void PlaybackPause::watch(bool is_awaited) {
  // A film of a moment has no time for all of the margin.
  const auto margin = std::min(reaction_time + time_of(decoder_frames, film_.rate), end_ / 2);
  GST_DEBUG_OBJECT(element_,
                   "the film so far ends at %" GST_TIME_FORMAT
                   "; without more bytes it is paused from %" GST_TIME_FORMAT " on",
                   GST_TIME_ARGS(end_), GST_TIME_ARGS(end_ - margin));
  if (!is_awaited && !wakeup_.pause(std::chrono::steady_clock::now() + fragment_time)) return;
  std::optional<GstClockTime> last;
  int stills = 0;
  auto pause = position_interval;
  do {
    const auto position = find_position();
    const bool is_moving = position && is_playing();
    pause = is_moving ? position_interval : idle_interval;
    stills = is_moving && position == last ? stills + 1 : 0;
    last = position;
    if (!position || *position == 0) continue;  // the playback has not begun
    if (*position < end_ - margin && stills < most_stills) continue;
    if (is_live()) {
      GST_INFO_OBJECT(element_, "no BUFFERING, because the pipeline is live");
      return;
    }
    GST_INFO_OBJECT(element_, "the film has run out: %" GST_TIME_FORMAT " of %" GST_TIME_FORMAT,
                    GST_TIME_ARGS(*position), GST_TIME_ARGS(end_));
    is_paused_ = true;
    post(0);
    return;
  } while (wakeup_.pause(std::chrono::steady_clock::now() + pause));
}

bool PlaybackPause::is_live() const {
  bool is_live = false;
  for_each_sink(top_.get(), [&](GstBaseSink* sink) {
    // The answer of the sink itself, and so that of the pipeline, says `live` for each sink that
    // keeps to the clock.
    const Owned<GstQuery> query(gst_query_new_latency());
    if (gst_pad_peer_query(GST_BASE_SINK_PAD(sink), query.get()) == FALSE) return;
    gboolean live = FALSE;
    gst_query_parse_latency(query.get(), &live, nullptr, nullptr);
    is_live = is_live || live != FALSE;
  });
  return is_live;
}

bool PlaybackPause::is_playing() const {
  const ObjectLock lock(top_.get());
  auto* const pipeline = GST_ELEMENT(top_.get());
  return GST_STATE(pipeline) == GST_STATE_PLAYING &&
         GST_STATE_PENDING(pipeline) == GST_STATE_VOID_PENDING;
}

bool PlaybackPause::is_stopping() const {
  const ObjectLock lock(top_.get());
  return GST_STATE_TARGET(top_.get()) < GST_STATE_PAUSED;
}

std::optional<GstClockTime> PlaybackPause::find_position() const {
  std::optional<GstClockTime> latest;
  for_each_sink(top_.get(), [&](GstBaseSink* sink) {
    // A sink that does not keep to the clock, such as a file, drops nothing.
    if (gst_base_sink_get_sync(sink) == FALSE) return;
    gint64 position = -1;
    if (gst_element_query_position(GST_ELEMENT(sink), GST_FORMAT_TIME, &position) == FALSE) return;
    if (position < 0) return;
    latest = std::max(latest.value_or(0), static_cast<GstClockTime>(position));
  });
  return latest;
}

void PlaybackPause::post(int percent) {
  GST_DEBUG_OBJECT(element_, "BUFFERING %d %%", percent);
  gst_element_post_message(element_, gst_message_new_buffering(GST_OBJECT(element_), percent));
}

}  // namespace veo::plugin
