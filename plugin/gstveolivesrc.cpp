// SPDX-License-Identifier: LGPL-2.1-or-later

/**
 * SECTION:element-veolivesrc
 * @title: veolivesrc
 * @short_description: generated videos in a live stream that never stops
 *
 * veolivesrc is a live source with a pad for raw video and a pad for raw sound. Both pads give
 * buffers all the time: filler before, between and after the videos, and each video from the moment
 * that it is generated. So a mixer or a streamer that cannot wait for minutes goes on meanwhile.
 * **Each task costs credits**, as with #GstVeoSrc, whose properties this element has. They describe
 * the next request.
 *
 * #GstVeoLiveSrc:prompt can be set while the element runs: that asks for one more video, with the
 * other properties as they are then. The next video is generated while the one before plays. If a
 * request fails, a WARNING says why, and the filler goes on.
 *
 * An element message `veo-live` tells each change: `state` (`filler` or `playing`), `task-id`,
 * `running-time` (of the first frame), and `repeat`.
 *
 * Nothing is submitted before each linked pad has given its first buffer to the next element. So
 * caps that the next element does not take are an ERROR before anything is paid.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 veolivesrc name=l prompt="a dog in a park" \
 *     l.video ! queue ! videoconvert ! autovideosink \
 *     l.audio ! queue ! audioconvert ! audioresample ! autoaudiosink
 * ]| Show black until the video is there, then the video, then black again.
 * |[
 * gst-launch-1.0 compositor name=m sink_1::alpha=0.8 ! videoconvert ! autovideosink \
 *     videotestsrc is-live=true ! m.sink_0 \
 *     veolivesrc prompt="snow falls" filler=transparent repeat=true ! m.sink_1
 * ]| Lay a video over a live picture, again and again.
 *
 * Since: 0.1
 */

#include "gstveolivesrc.h"

#include <memory>
#include <string>
#include <utility>

#include "gstveoerror.h"
#include "gstveolivecaps.h"
#include "gstveolivefiller.h"
#include "gstveolivelog.h"
#include "gstveoliveoutput.h"
#include "gstveoliveplaylist.h"
#include "gstveoliveswitch.h"
#include "gstveoproperties.h"
#include "veo/system/guarded.h"
#include "veo/system/threads.h"

#undef GST_CAT_DEFAULT
#define GST_CAT_DEFAULT veo::plugin::find_live_log()

namespace veo::plugin {

/// The properties that veosrc does not have, in the order of their ids.
enum class LiveProperty : guint {
  video_caps,
  audio_caps,
  filler,
  filler_location,
  repeat,
  pending_requests,
};

/// The work of veolivesrc, without GObject:
///
///   LivePlaylist ◄── LiveSwitch ◄── two outputs (GstBaseSrc), with a ghost pad each
///                       └─► LiveFiller
///
/// A state change starts the playlist first and stops it last, so no output takes a frame of a
/// playlist that does not run. The members are destroyed in the reverse order: the switch before
/// the filler and the playlist that it uses.
class VeoLiveSrc {
 public:
  explicit VeoLiveSrc(GstElement* element)
      : element_(element),
        playlist_({.element = element, .read_settings = [this] { return read_settings(); }}),
        filler_(element),
        switch_(std::make_shared<LiveSwitch>(element, playlist_, filler_)),
        video_(add_live_output(element, Medium::video, switch_)),
        audio_(add_live_output(element, Medium::audio, switch_)) {}

  // --- any thread ---

  bool set_option(guint id, const GValue* value, const GParamSpec* spec) {
    const std::string name = spec->name;
    const bool describes_clip = name == "prompt" || name == "task-id";
    // A property that is cleared asks for nothing.
    const bool asks = describes_clip && G_VALUE_HOLDS_STRING(value) != FALSE &&
                      g_value_get_string(value) != nullptr && *g_value_get_string(value) != '\0';
    // While the element runs, a new prompt is the next request, also after a `task-id`.
    const bool ends_task_id = asks && name == "prompt" && playlist_.is_running();
    {
      const auto state = state_.lock();
      if (!plugin::set_property(state->settings, id, value)) return false;
      if (ends_task_id) state->settings.source.task_id.clear();
    }
    if (asks) playlist_.on_property_set();
    return true;
  }

  bool get_option(guint id, GValue* value) const {
    return plugin::get_property(state_.lock()->settings, id, value);
  }

  bool set(LiveProperty property, const GValue* value) {
    switch (property) {
      case LiveProperty::video_caps:
        state_.lock()->video_caps = copy_caps(value);
        return true;
      case LiveProperty::audio_caps:
        state_.lock()->audio_caps = copy_caps(value);
        return true;
      case LiveProperty::filler:
        filler_.set_kind(static_cast<LiveFiller::Kind>(g_value_get_enum(value)));
        return true;
      case LiveProperty::filler_location: {
        const auto* const location = g_value_get_string(value);
        const std::string text = location != nullptr ? location : "";
        state_.lock()->filler_location = text;
        filler_.set_location(text);
        return true;
      }
      case LiveProperty::repeat: {
        const bool repeat = g_value_get_boolean(value) != FALSE;
        state_.lock()->repeat = repeat;
        playlist_.set_repeat(repeat);
        return true;
      }
      case LiveProperty::pending_requests:
        return false;
    }
    return false;
  }

  bool get(LiveProperty property, GValue* value) const {
    switch (property) {
      case LiveProperty::video_caps:
        give_caps(state_.lock()->video_caps, default_video_caps, value);
        return true;
      case LiveProperty::audio_caps:
        give_caps(state_.lock()->audio_caps, default_audio_caps, value);
        return true;
      case LiveProperty::filler:
        g_value_set_enum(value, static_cast<gint>(filler_.kind()));
        return true;
      case LiveProperty::filler_location: {
        const auto state = state_.lock();
        g_value_set_string(
            value, state->filler_location.empty() ? nullptr : state->filler_location.c_str());
        return true;
      }
      case LiveProperty::repeat:
        g_value_set_boolean(value, state_.lock()->repeat ? TRUE : FALSE);
        return true;
      case LiveProperty::pending_requests:
        g_value_set_uint(value, playlist_.pending_requests());
        return true;
    }
    return false;
  }

  [[nodiscard]] Source::Snapshot snapshot() const { return playlist_.snapshot(); }

  /// Handles the action signal. False: a WARNING says why.
  bool request() { return playlist_.request().has_value(); }

  void skip() { playlist_.skip(); }

  void flush_requests() { playlist_.flush_requests(); }

  // --- state changes ---

  /// READY to PAUSED. False: an ERROR says why.
  bool start() {
    // GStreamer's own threads do not exist in a child of fork() either.
    if (auto here = check_not_forked(); !here) return refuse(here.error());
    auto caps = read_caps();
    if (!caps) return refuse(caps.error());
    switch_->start(caps->grid);
    set_live_caps(video_, std::move(caps->video));
    set_live_caps(audio_, std::move(caps->audio));
    playlist_.start();
    return true;
  }

  /// PAUSED to READY, after the outputs have stopped.
  void stop() {
    playlist_.stop();
    filler_.stop();
    switch_->stop();
  }

  /// The application ends the stream. No clip plays after that.
  void end() { playlist_.stop(); }

 private:
  struct State {
    ElementSettings settings;
    Caps video_caps;  // null: not set
    Caps audio_caps;
    std::string filler_location;
    bool repeat = false;
  };

  static Caps copy_caps(const GValue* value) {
    const auto* const caps = gst_value_get_caps(value);
    return Caps(caps != nullptr ? gst_caps_copy(caps) : nullptr);
  }

  static void give_caps(const Caps& caps, const char* standard, GValue* value) {
    if (caps) {
      gst_value_set_caps(value, caps.get());
    } else {
      const Caps text(gst_caps_from_string(standard));
      gst_value_set_caps(value, text.get());
    }
  }

  [[nodiscard]] ElementSettings read_settings() const { return state_.lock()->settings; }

  [[nodiscard]] Result<LiveCaps> read_caps() const {
    const auto state = state_.lock();
    return read_live_caps(state->video_caps.get(), state->audio_caps.get());
  }

  bool refuse(const Error& error) {
    GST_WARNING_OBJECT(element_, "%s", error.message.c_str());
    post_error(element_, error);
    return false;
  }

  GstElement* const element_;  // owns this
  Guarded<State> state_;
  LivePlaylist playlist_;
  LiveFiller filler_;
  const std::shared_ptr<LiveSwitch> switch_;
  GstElement* const video_;  // the bin owns the outputs
  GstElement* const audio_;
};

}  // namespace veo::plugin

using veo::plugin::LiveProperty;
using veo::plugin::VeoLiveSrc;

struct _GstVeoLiveSrc {
  GstBin parent;
  VeoLiveSrc* impl;  // owned: created in init, deleted in finalize
};

G_DEFINE_TYPE(GstVeoLiveSrc, gst_veo_live_src, GST_TYPE_BIN)
GST_ELEMENT_REGISTER_DEFINE_WITH_CODE(veolivesrc, "veolivesrc", GST_RANK_NONE,
                                      GST_TYPE_VEO_LIVE_SRC,
                                      static_cast<void>(veo::plugin::find_live_log()))

static GstStaticPadTemplate live_video_template =
    GST_STATIC_PAD_TEMPLATE("video", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS("video/x-raw"));
static GstStaticPadTemplate live_audio_template =
    GST_STATIC_PAD_TEMPLATE("audio", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS("audio/x-raw"));

static guint first_live_task_property;
static guint first_live_property;

static VeoLiveSrc& live_impl(gpointer object) { return *GST_VEO_LIVE_SRC(object)->impl; }

static GType gst_veo_live_filler_get_type() {
  static const GEnumValue values[] = {
      {static_cast<gint>(veo::plugin::LiveFiller::Kind::black),
       "Black, or the picture of filler-location", "black"},
      {static_cast<gint>(veo::plugin::LiveFiller::Kind::freeze),
       "The last frame that was shown, and black before the first one", "freeze"},
      {static_cast<gint>(veo::plugin::LiveFiller::Kind::transparent),
       "Nothing, in formats with an alpha channel", "transparent"},
      {0, nullptr, nullptr}};
  static const GType type = g_enum_register_static("GstVeoLiveFiller", values);
  return type;
}

static void gst_veo_live_src_set_property(GObject* object, guint id, const GValue* value,
                                          GParamSpec* spec) {
  auto& live = live_impl(object);
  const bool is_set = id >= first_live_property
                          ? live.set(static_cast<LiveProperty>(id - first_live_property), value)
                          : live.set_option(id, value, spec);
  if (!is_set) G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
}

static void gst_veo_live_src_get_property(GObject* object, guint id, GValue* value,
                                          GParamSpec* spec) {
  const auto& live = live_impl(object);
  const bool got = id >= first_live_property
                       ? live.get(static_cast<LiveProperty>(id - first_live_property), value)
                       : veo::plugin::get_task_property(
                             live.snapshot(), id - first_live_task_property, spec, value) ||
                             live.get_option(id, value);
  if (!got) G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
}

static GstStateChangeReturn gst_veo_live_src_change_state(GstElement* element,
                                                          GstStateChange transition) {
  auto& live = live_impl(element);
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && !live.start()) {
    return GST_STATE_CHANGE_FAILURE;
  }
  const auto changed =
      GST_ELEMENT_CLASS(gst_veo_live_src_parent_class)->change_state(element, transition);
  const bool has_failed = changed == GST_STATE_CHANGE_FAILURE;
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY ||
      (transition == GST_STATE_CHANGE_READY_TO_PAUSED && has_failed)) {
    live.stop();
  }
  return changed;
}

static gboolean gst_veo_live_src_send_event(GstElement* element, GstEvent* event) {
  const bool is_end = GST_EVENT_TYPE(event) == GST_EVENT_EOS;
  // The clips end first, so that every PROGRESS is ended before the message EOS is on the bus.
  if (is_end) live_impl(element).end();
  return GST_ELEMENT_CLASS(gst_veo_live_src_parent_class)->send_event(element, event);
}

static gboolean gst_veo_live_src_request(GstVeoLiveSrc* self) {
  return live_impl(self).request() ? TRUE : FALSE;
}

static void gst_veo_live_src_skip(GstVeoLiveSrc* self) { live_impl(self).skip(); }

static void gst_veo_live_src_flush_requests(GstVeoLiveSrc* self) {
  live_impl(self).flush_requests();
}

static void gst_veo_live_src_init(GstVeoLiveSrc* self) {
  auto* element = GST_ELEMENT(self);
  self->impl = new VeoLiveSrc(element);
  GST_OBJECT_FLAG_SET(element, GST_ELEMENT_FLAG_SOURCE);
  gst_bin_set_suppressed_flags(
      GST_BIN(element),
      static_cast<GstElementFlags>(GST_ELEMENT_FLAG_SOURCE | GST_ELEMENT_FLAG_SINK));
}

static void gst_veo_live_src_finalize(GObject* object) {
  delete GST_VEO_LIVE_SRC(object)->impl;
  G_OBJECT_CLASS(gst_veo_live_src_parent_class)->finalize(object);
}

static void install_live_properties(GObjectClass* klass) {
  constexpr auto at_rest = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
                                                    GST_PARAM_MUTABLE_READY);
  constexpr auto at_any_time = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
                                                        GST_PARAM_MUTABLE_PLAYING);
  constexpr auto read_only = static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  const auto install = [&](LiveProperty property, GParamSpec* spec) {
    g_object_class_install_property(klass, first_live_property + static_cast<guint>(property),
                                    spec);
  };
  /**
   * GstVeoLiveSrc:video-caps:
   *
   * The format of the pad `video`: raw, progressive video in system memory. The frame rate is that
   * of these caps, and 24/1 if they have none. The next element decides the other fields that these
   * caps leave open. While the property is not set, its default is a preference: the next element
   * decides all but the frame rate.
   *
   * Since: 0.1
   */
  install(LiveProperty::video_caps,
          g_param_spec_boxed("video-caps", "Video caps",
                             "Format of the pad video; open fields are negotiated, except for the "
                             "frame rate (24/1 if open)",
                             GST_TYPE_CAPS, at_rest));
  /**
   * GstVeoLiveSrc:audio-caps:
   *
   * The format of the pad `audio`: raw, interleaved sound. The sample rate is that of these caps,
   * and 48000 if they have none. Otherwise as #GstVeoLiveSrc:video-caps.
   *
   * Since: 0.1
   */
  install(LiveProperty::audio_caps,
          g_param_spec_boxed("audio-caps", "Audio caps",
                             "Format of the pad audio; open fields are negotiated, except for the "
                             "rate (48000 if open)",
                             GST_TYPE_CAPS, at_rest));
  install(LiveProperty::filler,
          g_param_spec_enum("filler", "Filler", "What the pad video shows while no clip plays",
                            gst_veo_live_filler_get_type(), 0, at_any_time));
  install(
      LiveProperty::filler_location,
      g_param_spec_string("filler-location", "Filler location",
                          "A picture file that takes the place of black", nullptr, at_any_time));
  install(LiveProperty::repeat,
          g_param_spec_boolean("repeat", "Repeat",
                               "Play the last clip again until the next one is here; costs nothing",
                               FALSE, at_any_time));
  install(LiveProperty::pending_requests,
          g_param_spec_uint("pending-requests", "Pending requests",
                            "Requests that were asked for and do not play yet", 0, G_MAXUINT, 0,
                            read_only));
  gst_type_mark_as_plugin_api(gst_veo_live_filler_get_type(), GstPluginAPIFlags{});
}

static void install_live_signals(GObjectClass* klass) {
  constexpr auto action = static_cast<GSignalFlags>(G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION);
  const auto type = G_TYPE_FROM_CLASS(klass);
  /**
   * GstVeoLiveSrc::request:
   *
   * Asks for one more clip, with the properties as they are now. Each call counts, also if nothing
   * was changed. With #GstVeoLiveSrc:reuse, which is on by default, the same request again plays
   * the task that is paid already.
   *
   * Returns: %FALSE if the properties cannot be used. A WARNING says why.
   *
   * Since: 0.1
   */
  g_signal_new_class_handler("request", type, action, G_CALLBACK(gst_veo_live_src_request), nullptr,
                             nullptr, nullptr, G_TYPE_BOOLEAN, 0);
  /**
   * GstVeoLiveSrc::skip:
   *
   * Ends the clip that plays. The next clip follows at once if it is ready.
   *
   * Since: 0.1
   */
  g_signal_new_class_handler("skip", type, action, G_CALLBACK(gst_veo_live_src_skip), nullptr,
                             nullptr, nullptr, G_TYPE_NONE, 0);
  /**
   * GstVeoLiveSrc::flush-requests:
   *
   * Drops the requests that were not begun. A clip that is being generated stays, because it is
   * paid, or may be.
   *
   * Since: 0.1
   */
  g_signal_new_class_handler("flush-requests", type, action,
                             G_CALLBACK(gst_veo_live_src_flush_requests), nullptr, nullptr, nullptr,
                             G_TYPE_NONE, 0);
}

static void gst_veo_live_src_class_init(GstVeoLiveSrcClass* klass) {
  auto* object_class = G_OBJECT_CLASS(klass);
  auto* element_class = GST_ELEMENT_CLASS(klass);

  object_class->set_property = gst_veo_live_src_set_property;
  object_class->get_property = gst_veo_live_src_get_property;
  object_class->finalize = gst_veo_live_src_finalize;
  element_class->change_state = gst_veo_live_src_change_state;
  element_class->send_event = gst_veo_live_src_send_event;

  // The properties describe the next request, so they may change at any time.
  first_live_task_property =
      veo::plugin::install_properties(object_class, veo::OptionSetter::source_element,
                                      static_cast<GParamFlags>(GST_PARAM_MUTABLE_PLAYING));
  first_live_property =
      veo::plugin::install_task_properties(object_class, first_live_task_property);
  install_live_properties(object_class);
  install_live_signals(object_class);

  gst_element_class_add_static_pad_template(element_class, &live_video_template);
  gst_element_class_add_static_pad_template(element_class, &live_audio_template);
  gst_element_class_set_static_metadata(
      element_class, "Veo live source", "Source/Network",
      "Generates videos with sound from prompts, and plays them in a live stream that never stops. "
      "Costs credits. Sends the API key and the prompts to api.aivideoapi.ai, a provider of Veo "
      "that is not Google, or to api-url",
      "gst-veo");
}
