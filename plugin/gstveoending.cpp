// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstveoending.h"

#include <chrono>
#include <memory>

#include "gstveoevent.h"
#include "gstveopeer.h"
#include "gstveopipeline.h"

namespace veo::plugin {

namespace {

using namespace std::chrono_literals;

/// How long a demuxer and a decodebin may take to show the streams of the bytes that they have.
constexpr auto exposure_time = 100ms;
/// How long the sinks of other branches may take to play what they have.
constexpr auto drain_time = 5s;
constexpr auto look_interval = 5ms;

GQuark ended_quark() {
  static const GQuark quark = g_quark_from_static_string("veo-has-ended");
  return quark;
}

/// Whether `is_so(pad)` for all pads of the element with this direction.
template <class IsSo>
bool all_pads(GstElement* element, GstPadDirection direction, IsSo is_so) {
  bool all = true;
  GST_OBJECT_LOCK(element);
  for (GList* one = element->pads; one != nullptr; one = one->next) {
    auto* const pad = GST_PAD(one->data);
    if (GST_PAD_DIRECTION(pad) == direction) all = all && is_so(pad);
  }
  GST_OBJECT_UNLOCK(element);
  return all;
}

/// What the pipeline still does.
struct Activity {
  GstPad* src;  ///< of the element that has ended. The sinks behind it get no EOS
  bool has_playing_source = false;
  bool has_playing_sink = false;
};

void note_activity(GstElement* element, Activity& activity) {
  if (GST_IS_BIN(element)) return;
  if (GST_OBJECT_FLAG_IS_SET(element, GST_ELEMENT_FLAG_SOURCE)) {
    const bool has_ended =
        g_object_get_qdata(G_OBJECT(element), ended_quark()) != nullptr ||
        all_pads(element, GST_PAD_SRC, [](GstPad* pad) { return GST_PAD_IS_EOS(pad); });
    activity.has_playing_source = activity.has_playing_source || !has_ended;
  }
  if (GST_OBJECT_FLAG_IS_SET(element, GST_ELEMENT_FLAG_SINK) && !leads_to(activity.src, element)) {
    const bool has_ended = all_pads(element, GST_PAD_SINK, [](GstPad* pad) {
      auto* const segment = gst_pad_get_sticky_event(pad, GST_EVENT_SEGMENT, 0);
      if (segment == nullptr) return true;  // the sink has nothing to play
      gst_event_unref(segment);
      return GST_PAD_IS_EOS(pad);
    });
    activity.has_playing_sink = activity.has_playing_sink || !has_ended;
  }
}

Activity find_activity(GstObject* pipeline, GstPad* src) {
  Activity activity{.src = src};
  for_each_element(pipeline,
                   [&activity](GstElement* element) { note_activity(element, activity); });
  return activity;
}

/// Waits until `is_so()` or the moment `until`. False: interrupted.
template <class IsSo>
bool wait_until(Wakeup& wakeup, Wakeup::Time until, IsSo is_so) {
  while (!is_so() && std::chrono::steady_clock::now() < until) {
    if (!wakeup.pause(std::chrono::steady_clock::now() + look_interval)) return false;
  }
  return true;
}

void post_eos(const Ending& ending, Wakeup& wakeup) {
  g_object_set_qdata(G_OBJECT(ending.element), ended_quark(), ending.element);
  const auto top = find_pipeline(ending.element);
  // The application may have ended this element alone, and the other sources play on.
  while (find_activity(top.get(), ending.src).has_playing_source) {
    if (!wakeup.pause(std::chrono::steady_clock::now() + look_interval)) return;
  }
  const auto until = std::chrono::steady_clock::now() + drain_time;
  if (!wait_until(wakeup, until,
                  [&] { return !find_activity(top.get(), ending.src).has_playing_sink; })) {
    return;
  }
  auto* const message = gst_message_new_eos(top.get());
  gst_message_set_seqnum(message, gst_event_get_seqnum(ending.eos));
  gst_element_post_message(GST_ELEMENT(top.get()), message);
}

}  // namespace

void end_stream(const Ending& ending, Wakeup& wakeup) {
  const auto until = std::chrono::steady_clock::now() +
                     (ending.has_data ? exposure_time : decltype(exposure_time)());
  if (!wait_until(wakeup, until, [&ending] { return takes_eos(ending.src); })) return;
  if (takes_eos(ending.src)) {
    GST_INFO_OBJECT(ending.element, "EOS");
    if (ending.is_asked) gst_pad_push_event(ending.src, make_ended_event());
    gst_pad_push_event(ending.src, gst_event_ref(ending.eos));
    return;
  }
  GST_INFO_OBJECT(ending.element, "no EOS downstream, where no sink can get it");
  post_eos(ending, wakeup);
}

void forget_end(GstElement* element) {
  g_object_set_qdata(G_OBJECT(element), ended_quark(), nullptr);
}

}  // namespace veo::plugin
