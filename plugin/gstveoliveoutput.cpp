// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstveoliveoutput.h"

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "gstveoerror.h"
#include "gstveolivelog.h"
#include "gstveoowned.h"
#include "veo/system/guarded.h"
#include "veo/system/wakeup.h"

#undef GST_CAT_DEFAULT
#define GST_CAT_DEFAULT veo::plugin::find_live_log()

namespace veo::plugin {

namespace {

struct ClockIdUnref {
  void operator()(gpointer id) const { gst_clock_id_unref(id); }
};
using ClockId = std::unique_ptr<void, ClockIdUnref>;

using Clock = Owned<GstClock>;
using Pad = Owned<GstPad>;

/// A buffer that is due by more than this (and two ticks) earlier or later than now shows that the
/// running time has jumped.
constexpr GstClockTime least_jump = 2 * GST_SECOND;

}  // namespace

struct LiveOutputSettings {
  Medium medium;
  std::shared_ptr<LiveSwitch> live_switch;
  GstElement* bin;  ///< errors come from it
};

/// The work of one output, without GObject. The streaming thread alone uses `pending_`.
class LiveOutput {
 public:
  LiveOutput(GstBaseSrc* element, LiveOutputSettings settings)
      : element_(element), settings_(std::move(settings)) {}

  // --- state changes ---

  void set_caps(Caps caps) { *allowed_.lock() = std::move(caps); }

  void start() {
    started_at_ = std::chrono::steady_clock::now();
    pending_.reset();
    *waits_.lock() = Waits{};
    pause_.resume();
  }

  void stop() { pending_.reset(); }

  // --- any thread ---

  [[nodiscard]] GstCaps* find_caps(GstCaps* filter) const {
    const auto allowed = allowed_.lock();
    if (!*allowed) {
      Caps all(gst_pad_get_pad_template_caps(GST_BASE_SRC_PAD(element_)));
      return filter != nullptr
                 ? gst_caps_intersect_full(filter, all.get(), GST_CAPS_INTERSECT_FIRST)
                 : all.release();
    }
    return filter != nullptr
               ? gst_caps_intersect_full(filter, allowed->get(), GST_CAPS_INTERSECT_FIRST)
               : gst_caps_ref(allowed->get());
  }

  /// The buffer that a sink shows at a running time arrives at that time, and a sink needs a moment
  /// before. A buffer that is held on its way is not lost, so there is no greatest latency.
  bool answer_latency(GstQuery* query) const {
    const auto tick = settings_.live_switch->tick_duration();
    if (!tick) return false;
    gst_query_set_latency(query, TRUE, *tick, GST_CLOCK_TIME_NONE);
    return true;
  }

  void unlock() {
    const auto waits = waits_.lock();
    waits->is_interrupted = true;
    if (waits->id) gst_clock_id_unschedule(waits->id.get());
    pause_.interrupt();
  }

  /// The application ends the stream. GstBaseSrc's own way is not used: gstveoending.h says why.
  void on_eos() {
    const auto waits = waits_.lock();
    waits->has_ended = true;
    if (waits->id) gst_clock_id_unschedule(waits->id.get());
    pause_.interrupt();
  }

  void unlock_stop() {
    waits_.lock()->is_interrupted = false;
    pause_.resume();
  }

  /// A flush has begun. If both outputs are flushed, they begin anew at one tick.
  void on_flush_start() { settings_.live_switch->restart(settings_.medium); }
  /// A flush has ended. What was on its way is gone.
  void on_flush_stop() {
    is_flushed_.store(true);
    waits_.lock()->has_ended = false;
    pause_.resume();
  }

  /// The element plays again, perhaps alone: then the time went on while the element was paused.
  void on_playing() { is_resumed_.store(true); }

  [[nodiscard]] guint group_id() const { return settings_.live_switch->group_id(); }

  // --- the streaming thread ---

  bool negotiate();

  GstFlowReturn create(GstBuffer** out);

  /// GstBaseSrc drops a buffer of create() if the element is paused meanwhile. So the buffer is
  /// kept until it is on its way.
  void on_push() { pending_.reset(); }

 private:
  struct Waits {
    bool is_interrupted = false;
    bool has_ended = false;  // the application has ended the stream
    ClockId id;              // of the wait that goes on; null: none
  };

  /// Returns the clock's running time. nullopt: the element has no clock.
  [[nodiscard]] std::optional<GstClockTime> running_time() const {
    const Clock clock(gst_element_get_clock(GST_ELEMENT(element_)));
    if (!clock) return std::nullopt;
    const auto now = gst_clock_get_time(clock.get());
    const auto base = gst_element_get_base_time(GST_ELEMENT(element_));
    return now > base ? now - base : 0;
  }

  /// Waits until the running time. False: interrupted.
  bool wait_until(GstClockTime time) {
    const Clock clock(gst_element_get_clock(GST_ELEMENT(element_)));
    if (!clock) return !waits_.lock()->is_interrupted;
    gpointer id = nullptr;
    {
      const auto waits = waits_.lock();
      if (waits->is_interrupted || waits->has_ended) return false;
      waits->id.reset(gst_clock_new_single_shot_id(
          clock.get(), gst_element_get_base_time(GST_ELEMENT(element_)) + time));
      id = waits->id.get();
    }
    gst_clock_id_wait(id, nullptr);
    const auto waits = waits_.lock();
    waits->id.reset();
    return !waits->is_interrupted;
  }

  [[nodiscard]] bool set_format(GstCaps* caps) {
    if (settings_.medium == Medium::video) {
      GstVideoInfo format;
      return gst_video_info_from_caps(&format, caps) != FALSE &&
             settings_.live_switch->set_format(format);
    }
    GstAudioInfo format;
    return gst_audio_info_from_caps(&format, caps) != FALSE &&
           settings_.live_switch->set_format(format);
  }

  bool fail_negotiation(const GstCaps* allowed);
  [[nodiscard]] bool has_jumped(GstClockTime now);

  GstBaseSrc* const element_;  // owns this
  const LiveOutputSettings settings_;
  Guarded<Caps> allowed_;
  Guarded<Waits> waits_;
  Wakeup pause_;
  std::chrono::steady_clock::time_point started_at_;
  std::atomic<bool> is_flushed_ = false;
  std::atomic<bool> is_resumed_ = false;
  std::optional<LiveSwitch::Turn> pending_;  // not on its way yet
};

bool LiveOutput::negotiate() {
  auto* const pad = GST_BASE_SRC_PAD(element_);
  const Caps current(gst_pad_get_current_caps(pad));
  if (current) {
    // A clip can be under way in these caps, so they stay if they can.
    if (gst_pad_peer_query_accept_caps(pad, current.get()) != FALSE) return true;
    GST_INFO_OBJECT(element_, "downstream does not take %" GST_PTR_FORMAT " any more",
                    static_cast<void*>(current.get()));
    if (settings_.live_switch->has_fixed_formats()) return fail_negotiation(current.get());
  }
  const Caps allowed(find_caps(nullptr));
  Caps common(gst_pad_peer_query_caps(pad, allowed.get()));
  if (!common || gst_caps_is_empty(common.get()) != FALSE) return fail_negotiation(allowed.get());
  const auto caps = settings_.medium == Medium::video
                        ? fixate_video(std::move(common), settings_.live_switch->prefers_alpha())
                        : fixate_audio(std::move(common));
  GST_INFO_OBJECT(element_, "negotiated %" GST_PTR_FORMAT, static_cast<void*>(caps.get()));
  if (!set_format(caps.get())) return fail_negotiation(caps.get());
  return gst_base_src_set_caps(element_, caps.get()) != FALSE || fail_negotiation(caps.get());
}

bool LiveOutput::fail_negotiation(const GstCaps* allowed) {
  if (!pause_.pause(started_at_ + first_error_after)) return false;
  if (GST_PAD_IS_FLUSHING(GST_BASE_SRC_PAD(element_))) return false;
  const std::string name = name_of(settings_.medium);
  const Owned<char> text(gst_caps_to_string(allowed));
  const bool has_begun = settings_.live_switch->has_fixed_formats();
  post_error(
      settings_.bin,
      {.code = ErrorCode::invalid_request,
       .message = "The element behind the pad “" + name + "” does not take " + text.get() +
                  ". Change " + name + "-caps, or put a converter behind the pad. " +
                  (has_begun ? "The format cannot change while the element runs. A task that "
                               "was accepted stays in the record."
                             : "Nothing was sent, and nothing was paid.")});
  return false;
}

/// Whether the buffer that waits shows that the running time has jumped.
bool LiveOutput::has_jumped(GstClockTime now) {
  const auto most = least_jump + 2 * settings_.live_switch->tick_duration().value_or(0);
  const auto due = pending_->running_time;
  // A reset of the pipeline's base time takes the running time back.
  if (due > now + most) return true;
  // A buffer can be late because downstream was blocked. Then nothing is left out.
  return is_resumed_.exchange(false) && now > due + most;
}

GstFlowReturn LiveOutput::create(GstBuffer** out) {
  if (is_flushed_.exchange(false)) {
    pending_.reset();
    settings_.live_switch->restart(settings_.medium);
  }
  for (;;) {
    if (waits_.lock()->has_ended) return GST_FLOW_EOS;
    const auto now = running_time();
    if (!pending_) pending_ = settings_.live_switch->take_turn(settings_.medium, now.value_or(0));
    if (!pending_->buffer) {
      GST_ELEMENT_ERROR(
          element_, RESOURCE, NO_SPACE_LEFT,
          ("There is no memory for a buffer of the pad “%s”.", name_of(settings_.medium)),
          (nullptr));
      return GST_FLOW_ERROR;
    }
    if (now && has_jumped(*now)) {
      GST_INFO_OBJECT(element_, "the running time has jumped to %" GST_TIME_FORMAT,
                      GST_TIME_ARGS(*now));
      pending_.reset();
      settings_.live_switch->restart(settings_.medium);
      continue;
    }
    if (!now || pending_->running_time <= *now) break;
    if (wait_until(pending_->running_time)) continue;
    if (waits_.lock()->has_ended) return GST_FLOW_EOS;
    // GstBaseSrc ends the wait also if the element is paused. If the element plays again by now,
    // nobody starts the task again that would end with FLUSHING.
    if (const auto flow = gst_base_src_wait_playing(element_); flow != GST_FLOW_OK) return flow;
    waits_.lock()->is_interrupted = false;
  }
  *out = gst_buffer_ref(pending_->buffer.get());
  return GST_FLOW_OK;
}

}  // namespace veo::plugin

using veo::plugin::LiveOutput;

struct _GstVeoLiveOutput {
  GstBaseSrc parent;
  LiveOutput* impl;  // owned: created by add_live_output(), deleted in finalize
};

G_DEFINE_TYPE(GstVeoLiveOutput, gst_veo_live_output, GST_TYPE_BASE_SRC)

static GstStaticPadTemplate output_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS("video/x-raw; audio/x-raw"));

static LiveOutput& output(gpointer object) { return *GST_VEO_LIVE_OUTPUT(object)->impl; }

static GstCaps* gst_veo_live_output_get_caps(GstBaseSrc* element, GstCaps* filter) {
  return output(element).find_caps(filter);
}

static gboolean gst_veo_live_output_negotiate(GstBaseSrc* element) {
  return output(element).negotiate();
}

static gboolean gst_veo_live_output_decide_allocation(GstBaseSrc*, GstQuery*) { return TRUE; }

static gboolean gst_veo_live_output_start(GstBaseSrc* element) {
  output(element).start();
  return TRUE;
}

static gboolean gst_veo_live_output_stop(GstBaseSrc* element) {
  output(element).stop();
  return TRUE;
}

static gboolean gst_veo_live_output_unlock(GstBaseSrc* element) {
  output(element).unlock();
  return TRUE;
}

static gboolean gst_veo_live_output_unlock_stop(GstBaseSrc* element) {
  output(element).unlock_stop();
  return TRUE;
}

static gboolean gst_veo_live_output_is_seekable(GstBaseSrc*) { return FALSE; }

static GstFlowReturn gst_veo_live_output_create(GstBaseSrc* element, guint64, guint,
                                                GstBuffer** out) {
  return output(element).create(out);
}

static gboolean gst_veo_live_output_query(GstBaseSrc* element, GstQuery* query) {
  if (GST_QUERY_TYPE(query) == GST_QUERY_LATENCY) {
    // GstBaseSrc would answer 0 for a source that stops just now, and a mixer would then complain.
    return output(element).answer_latency(query) ? TRUE : FALSE;
  }
  return GST_BASE_SRC_CLASS(gst_veo_live_output_parent_class)->query(element, query);
}

static gboolean gst_veo_live_output_send_event(GstElement* element, GstEvent* event) {
  if (GST_EVENT_TYPE(event) != GST_EVENT_EOS) {
    return GST_ELEMENT_CLASS(gst_veo_live_output_parent_class)->send_event(element, event);
  }
  output(element).on_eos();
  gst_event_unref(event);
  return TRUE;
}

static GstStateChangeReturn gst_veo_live_output_change_state(GstElement* element,
                                                             GstStateChange transition) {
  if (transition == GST_STATE_CHANGE_PAUSED_TO_PLAYING) output(element).on_playing();
  return GST_ELEMENT_CLASS(gst_veo_live_output_parent_class)->change_state(element, transition);
}

// An output allocates nothing per buffer, and an ALLOCATION query could block (gstveosrc.cpp).
static GstPadProbeReturn drop_live_allocation_query(GstPad*, GstPadProbeInfo* info, gpointer) {
  return GST_QUERY_TYPE(GST_PAD_PROBE_INFO_QUERY(info)) == GST_QUERY_ALLOCATION ? GST_PAD_PROBE_DROP
                                                                                : GST_PAD_PROBE_OK;
}

static GstPadProbeReturn on_live_buffer(GstPad*, GstPadProbeInfo*, gpointer element) {
  output(element).on_push();
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn on_live_event(GstPad*, GstPadProbeInfo* info, gpointer element) {
  auto* event = GST_PAD_PROBE_INFO_EVENT(info);
  if (GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_START) output(element).on_flush_start();
  if (GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_STOP) output(element).on_flush_stop();
  if (GST_EVENT_TYPE(event) == GST_EVENT_STREAM_START) {
    // GstBaseSrc gives each source a group of its own, and both pads are one group.
    event = gst_event_make_writable(event);
    gst_event_set_group_id(event, output(element).group_id());
    info->data = event;
  }
  return GST_PAD_PROBE_OK;
}

static void gst_veo_live_output_init(GstVeoLiveOutput* self) {
  auto* base = GST_BASE_SRC(self);
  auto* pad = GST_BASE_SRC_PAD(base);
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM, drop_live_allocation_query, nullptr,
                    nullptr);
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, on_live_buffer, self, nullptr);
  gst_pad_add_probe(pad,
                    static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM |
                                                 GST_PAD_PROBE_TYPE_EVENT_FLUSH),
                    on_live_event, self, nullptr);
  gst_base_src_set_live(base, TRUE);
  gst_base_src_set_format(base, GST_FORMAT_TIME);
}

static void gst_veo_live_output_finalize(GObject* object) {
  delete GST_VEO_LIVE_OUTPUT(object)->impl;
  G_OBJECT_CLASS(gst_veo_live_output_parent_class)->finalize(object);
}

static void gst_veo_live_output_class_init(GstVeoLiveOutputClass* klass) {
  auto* element_class = GST_ELEMENT_CLASS(klass);
  auto* base_class = GST_BASE_SRC_CLASS(klass);
  G_OBJECT_CLASS(klass)->finalize = gst_veo_live_output_finalize;
  element_class->change_state = gst_veo_live_output_change_state;
  element_class->send_event = gst_veo_live_output_send_event;
  base_class->get_caps = gst_veo_live_output_get_caps;
  base_class->negotiate = gst_veo_live_output_negotiate;
  base_class->decide_allocation = gst_veo_live_output_decide_allocation;
  base_class->start = gst_veo_live_output_start;
  base_class->stop = gst_veo_live_output_stop;
  base_class->unlock = gst_veo_live_output_unlock;
  base_class->unlock_stop = gst_veo_live_output_unlock_stop;
  base_class->is_seekable = gst_veo_live_output_is_seekable;
  base_class->create = gst_veo_live_output_create;
  base_class->query = gst_veo_live_output_query;
  gst_element_class_add_static_pad_template(element_class, &output_template);
  gst_element_class_set_static_metadata(element_class, "Veo live output", "Source",
                                        "One pad of veolivesrc", "gst-veo");
}

namespace veo::plugin {

namespace {

/// Sees what becomes of each buffer of one pad.
struct Gate {
  std::shared_ptr<LiveSwitch> live_switch;
  Medium medium;

  static GstFlowReturn chain(GstPad* pad, GstObject* parent, GstBuffer* buffer) {
    const auto& gate = *static_cast<const Gate*>(pad->chaindata);
    const auto flow = gst_proxy_pad_chain_default(pad, parent, buffer);
    gate.live_switch->on_pushed(gate.medium, flow);
    // A pad without a peer must not end the stream.
    return flow == GST_FLOW_NOT_LINKED ? GST_FLOW_OK : flow;
  }
};

}  // namespace

GstElement* add_live_output(GstElement* bin, Medium medium,
                            const std::shared_ptr<LiveSwitch>& live_switch) {
  const auto* const name = name_of(medium);
  auto* const element = GST_ELEMENT(g_object_new(GST_TYPE_VEO_LIVE_OUTPUT, "name",
                                                 (std::string(name) + "-output").c_str(), nullptr));
  GST_VEO_LIVE_OUTPUT(element)->impl =
      new LiveOutput(GST_BASE_SRC(element), {medium, live_switch, bin});
  gst_bin_add(GST_BIN(bin), element);
  auto* const klass = GST_ELEMENT_GET_CLASS(bin);
  auto* const ghost = gst_ghost_pad_new_from_template(
      name, GST_BASE_SRC_PAD(element), gst_element_class_get_pad_template(klass, name));
  const Pad inner(GST_PAD(gst_proxy_pad_get_internal(GST_PROXY_PAD(ghost))));
  gst_pad_set_chain_function_full(inner.get(), Gate::chain, new Gate{live_switch, medium},
                                  [](gpointer gate) { delete static_cast<Gate*>(gate); });
  gst_element_add_pad(bin, ghost);
  return element;
}

void set_live_caps(GstElement* element, Caps caps) { output(element).set_caps(std::move(caps)); }

}  // namespace veo::plugin
