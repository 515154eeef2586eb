// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstveoliveclip.h"

#include <algorithm>
#include <cstdlib>
#include <initializer_list>
#include <utility>

#include "gstveoerror.h"
#include "gstveolivelog.h"
#include "veo/core/error_table.h"
#include "veo/core/task_id.h"

#undef GST_CAT_DEFAULT
#define GST_CAT_DEFAULT find_live_log()

namespace veo::plugin {

namespace {

/// Half a second of frames and of sound. An AAC decoder gives 1,024 samples in a buffer.
constexpr guint least_look_ahead = 12;
constexpr guint least_look_ahead_sounds = 24;
/// Of a low frame rate, a tick is longer than that. A clip goes on only if all that belongs to its
/// next tick is here, so these many for each second of a tick are more than enough.
constexpr guint frames_a_second = 60;
constexpr guint sounds_a_second = 96;

guint find_look_ahead(guint least, guint a_second, const GstVideoInfo& info) {
  const auto seconds = static_cast<guint>(GST_VIDEO_INFO_FPS_D(&info));
  const auto ticks = static_cast<guint>(GST_VIDEO_INFO_FPS_N(&info));
  return std::max(least, static_cast<guint>(guint64{a_second} * seconds / ticks) + 1);
}

/// Sound that begins this part of a second earlier or later than the sound before it ends follows
/// it without a cut or a gap, because containers round times to milliseconds.
constexpr std::int64_t least_gap = 200;
/// Two times that are nearer than this are equal. Times are rounded to ns.
constexpr GstClockTime rounding = GST_USECOND;

template <class T>
LiveClip& self_of(T* self) {
  return *static_cast<LiveClip*>(self);
}

GstElement* add(GstElement* pipeline, const char* factory) {
  auto* const element = gst_element_factory_make(factory, nullptr);
  if (element != nullptr) gst_bin_add(GST_BIN(pipeline), element);
  return element;
}

Error missing(const char* factory) {
  return {.code = ErrorCode::bad_media,
          .message = std::string("GStreamer has no element ") + factory +
                     " on this machine, so no clip can be decoded. Install Debian's packages: apt "
                     "install gstreamer1.0-plugins-base gstreamer1.0-plugins-good. Nothing was "
                     "sent, and nothing is paid."};
}

/// Adds elements and an appsink in a row. Returns the first element and the sink.
struct Branch {
  GstElement* first = nullptr;
  GstAppSink* sink = nullptr;
};
Result<Branch> add_branch(GstElement* pipeline, std::initializer_list<const char*> factories,
                          GstCaps* caps, guint most) {
  Branch branch;
  GstElement* last = nullptr;
  for (const char* const factory : factories) {
    auto* const element = add(pipeline, factory);
    if (element == nullptr) return fail(missing(factory));
    if (last == nullptr) {
      branch.first = element;
    } else if (gst_element_link(last, element) == FALSE) {
      return fail(missing(factory));
    }
    last = element;
  }
  auto* const sink = add(pipeline, "appsink");
  if (sink == nullptr || gst_element_link_filtered(last, sink, caps) == FALSE) {
    return fail(missing("appsink"));
  }
  g_object_set(sink, "sync", FALSE, "async", FALSE, "enable-last-sample", FALSE, "max-buffers",
               most, "wait-on-eos", FALSE, nullptr);
  // LiveClip changes the state of the sinks itself: see the top of the header.
  gst_element_set_locked_state(sink, TRUE);
  branch.sink = GST_APP_SINK(sink);
  return branch;
}

/// The format of a frame, without its rate: LiveClip converts the rate. Without the place of the
/// chroma samples, too, because a conversion of that alone would cost much and show little.
Owned<GstCaps> make_caps(const GstVideoInfo& info) {
  Owned<GstCaps> caps(gst_video_info_to_caps(&info));
  auto* const structure = gst_caps_get_structure(caps.get(), 0);
  gst_structure_remove_fields(structure, "framerate", "chroma-site", "multiview-mode",
                              "multiview-flags", "max-framerate", "views", nullptr);
  return caps;
}

GstClockTime time_of(guint64 tick, const GstVideoInfo& info) {
  return gst_util_uint64_scale(tick, GST_SECOND * static_cast<guint64>(GST_VIDEO_INFO_FPS_D(&info)),
                               static_cast<guint64>(GST_VIDEO_INFO_FPS_N(&info)));
}

/// Copies the frame without its times and flags. The copy shares the memory.
Buffer copy_frame(GstBuffer* frame) {
  Buffer copy(gst_buffer_new());
  gst_buffer_copy_into(
      copy.get(), frame,
      static_cast<GstBufferCopyFlags>(GST_BUFFER_COPY_META | GST_BUFFER_COPY_MEMORY), 0,
      static_cast<gsize>(-1));
  return copy;
}

bool is_media(GstPad* pad, const char* type) {
  Owned<GstCaps> caps(gst_pad_get_current_caps(pad));
  if (!caps) caps.reset(gst_pad_query_caps(pad, nullptr));
  if (!caps || gst_caps_is_any(caps.get()) != FALSE || gst_caps_is_empty(caps.get()) != FALSE) {
    return false;
  }
  return gst_structure_has_name(gst_caps_get_structure(caps.get(), 0), type) != FALSE;
}

}  // namespace

void notify_property(GstElement* element, const char* property) {
  if (g_object_class_find_property(G_OBJECT_GET_CLASS(element), property) == nullptr) return;
  g_object_notify(G_OBJECT(element), property);
}

LiveClip::LiveClip(Settings settings)
    : settings_(std::move(settings)),
      look_ahead_(find_look_ahead(least_look_ahead, frames_a_second, settings_.formats.video)),
      look_ahead_sounds_(
          find_look_ahead(least_look_ahead_sounds, sounds_a_second, settings_.formats.video)) {}

LiveClip::~LiveClip() { close(); }

Result<std::shared_ptr<LiveClip>> LiveClip::begin(Settings settings) {
  std::shared_ptr<LiveClip> clip(new LiveClip(std::move(settings)));
  if (auto built = clip->build(); !built) return fail(std::move(built.error()));
  clip->set_sinks(GST_STATE_PLAYING);
  // The result is of no importance: an element that cannot start posts an ERROR.
  gst_element_set_state(clip->pipeline_.get(), GST_STATE_PLAYING);
  return clip;
}

Status LiveClip::build() {
  pipeline_.reset(GST_ELEMENT(gst_object_ref_sink(gst_pipeline_new(nullptr))));
  auto* const pipeline = pipeline_.get();
  const Owned<GstBus> bus(gst_pipeline_get_bus(GST_PIPELINE(pipeline)));
  gst_bus_set_sync_handler(bus.get(), on_message, this, nullptr);

  source_ = GST_VEO_SRC(g_object_new(GST_TYPE_VEO_SRC, nullptr));
  gst_bin_add(GST_BIN(pipeline), GST_ELEMENT(source_));
  set_settings(source_, settings_.request);
  if (settings_.request.source.dry_run) {
    // A dry run has a price and no bytes. A decoder would call that an error.
    auto* const sink = add(pipeline, "fakesink");
    if (sink == nullptr) return fail(missing("fakesink"));
    g_object_set(sink, "sync", FALSE, "async", FALSE, nullptr);
    gst_element_link(GST_ELEMENT(source_), sink);
    return {};
  }
  auto* const decoder = add(pipeline, "decodebin");
  if (decoder == nullptr) return fail(missing("decodebin"));
  g_signal_connect(decoder, "pad-added", G_CALLBACK(on_pad_added), this);
  g_signal_connect(decoder, "no-more-pads", G_CALLBACK(on_no_more_pads), this);
  gst_element_link(GST_ELEMENT(source_), decoder);
  if (auto built = build_video(pipeline); !built) return built;
  return build_audio(pipeline);
}

Status LiveClip::build_video(GstElement* pipeline) {
  // videoconvertscale keeps the shape of the picture, and adds borders.
  const auto branch = add_branch(pipeline, {"videoconvertscale"},
                                 make_caps(settings_.formats.video).get(), look_ahead_);
  if (!branch) return fail(branch.error());
  video_ = branch->first;
  video_sink_ = branch->sink;
  GstAppSinkCallbacks callbacks{};
  callbacks.eos = on_frames_end;
  callbacks.new_sample = on_frame;
  gst_app_sink_set_callbacks(video_sink_, &callbacks, this, nullptr);
  return {};
}

Status LiveClip::build_audio(GstElement* pipeline) {
  const Owned<GstCaps> caps(gst_audio_info_to_caps(&settings_.formats.audio));
  const auto branch =
      add_branch(pipeline, {"audioconvert", "audioresample"}, caps.get(), look_ahead_sounds_);
  if (!branch) return fail(branch.error());
  audio_ = branch->first;
  audio_sink_ = branch->sink;
  GstAppSinkCallbacks callbacks{};
  callbacks.eos = on_sounds_end;
  callbacks.new_sample = on_sound;
  gst_app_sink_set_callbacks(audio_sink_, &callbacks, this, nullptr);
  return {};
}

void LiveClip::close() {
  if (std::exchange(is_closed_, true) || !pipeline_) return;
  GST_DEBUG_OBJECT(settings_.element, "a clip is closed");
  progress_.lock()->is_closing = true;
  set_sinks(GST_STATE_NULL);
  gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
}

void LiveClip::set_sinks(GstState state) {
  for (auto* const sink : {video_sink_, audio_sink_}) {
    if (sink != nullptr) gst_element_set_state(GST_ELEMENT(sink), state);
  }
}

// --- the pipeline's threads ---

void LiveClip::on_pad_added(GstElement*, GstPad* pad, gpointer self) { self_of(self).link(pad); }

void LiveClip::link(GstPad* pad) {
  const bool is_video = is_media(pad, "video/x-raw");
  if (!is_video && !is_media(pad, "audio/x-raw")) return;
  const Owned<GstPad> to(gst_element_get_static_pad(is_video ? video_ : audio_, "sink"));
  // Only the first track of each kind is played.
  if (gst_pad_is_linked(to.get()) != FALSE) return;
  const auto linked = gst_pad_link(pad, to.get());
  GST_DEBUG_OBJECT(settings_.element, "the clip has %s: %s", is_video ? "pictures" : "sound",
                   gst_pad_link_get_name(linked));
}

void LiveClip::on_no_more_pads(GstElement*, gpointer data) {
  auto& self = self_of(data);
  const auto is_linked = [](GstElement* element) {
    const Owned<GstPad> pad(gst_element_get_static_pad(element, "sink"));
    return gst_pad_is_linked(pad.get()) != FALSE;
  };
  if (!is_linked(self.video_)) {
    self.fail_with(
        {.code = ErrorCode::bad_media, .message = "It has no picture that GStreamer can decode."});
  }
  if (!is_linked(self.audio_)) self.progress_.lock()->has_sound = false;
  self.settings_.on_change();
}

GstFlowReturn LiveClip::on_frame(GstAppSink*, gpointer data) {
  auto& self = self_of(data);
  bool is_news = false;
  {
    const auto progress = self.progress_.lock();
    if (progress->frames < self.look_ahead_) is_news = ++progress->frames == self.look_ahead_;
  }
  if (is_news) self.settings_.on_change();
  return GST_FLOW_OK;
}

GstFlowReturn LiveClip::on_sound(GstAppSink*, gpointer data) {
  auto& self = self_of(data);
  bool is_news = false;
  {
    const auto progress = self.progress_.lock();
    if (progress->sounds < self.look_ahead_sounds_) {
      is_news = ++progress->sounds == self.look_ahead_sounds_;
    }
  }
  if (is_news) self.settings_.on_change();
  return GST_FLOW_OK;
}

void LiveClip::on_frames_end(GstAppSink*, gpointer data) {
  auto& self = self_of(data);
  bool has_frames = false;
  {
    const auto progress = self.progress_.lock();
    progress->is_complete = true;
    has_frames = progress->frames > 0;
  }
  if (!has_frames) {
    self.fail_with({.code = ErrorCode::bad_media, .message = "No frame of it could be decoded."});
  }
  self.settings_.on_change();
}

void LiveClip::on_sounds_end(GstAppSink*, gpointer data) {
  auto& self = self_of(data);
  self.progress_.lock()->is_sound_complete = true;
  self.settings_.on_change();
}

GstBusSyncReply LiveClip::on_message(GstBus*, GstMessage* message, gpointer data) {
  self_of(data).keep(message);
  gst_message_unref(message);
  return GST_BUS_DROP;
}

/// Keeps what the application should see. The control thread posts it: this thread is one of the
/// pipeline's, which an application's handler must not hold.
void LiveClip::keep(GstMessage* message) {
  const bool is_ours = GST_MESSAGE_SRC(message) == GST_OBJECT(source_);
  bool is_wanted = false;
  bool has_ended = false;
  switch (GST_MESSAGE_TYPE(message)) {
    case GST_MESSAGE_ERROR:
      is_wanted = true;
      break;
    case GST_MESSAGE_WARNING:
      is_wanted = is_ours;
      break;
    case GST_MESSAGE_PROGRESS:
      is_wanted = is_ours && !settings_.is_repetition;
      break;
    case GST_MESSAGE_ELEMENT:
      is_wanted = is_ours ? !settings_.is_repetition
                          : gst_message_has_name(message, "missing-plugin") != FALSE;
      break;
    case GST_MESSAGE_EOS:
      has_ended = settings_.request.source.dry_run;
      break;
    default:
      break;
  }
  if (!is_wanted && !has_ended) return;
  {
    const auto progress = progress_.lock();
    if (has_ended) progress->is_complete = true;
    const bool is_error = GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR;
    // A decoder whose pipeline is taken down may complain about that.
    if (is_error && progress->is_closing && !is_ours) return;
    // The first error is the cause, and the others are its effects.
    if (is_wanted && !(is_error && progress->has_failed)) {
      progress->messages.emplace_back(gst_message_ref(message));
    }
    if (is_error) progress->has_failed = true;
  }
  settings_.on_change();
}

/// Fails as if an element of the pipeline had posted an ERROR.
void LiveClip::fail_with(const Error& error) {
  const GstErrorKind& kind = error_row(error.code).gst;
  GError* const made = g_error_new_literal(
      kind.domain == GstErrorKind::Domain::stream ? GST_STREAM_ERROR : GST_RESOURCE_ERROR,
      kind.number, error.message.c_str());
  const Owned<GstMessage> message(
      gst_message_new_error(GST_OBJECT(pipeline_.get()), made, nullptr));
  g_error_free(made);
  keep(message.get());
}

// --- the control thread ---

void LiveClip::post_messages() {
  auto messages = std::exchange(progress_.lock()->messages, {});
  for (auto& one : messages) {
    if (GST_MESSAGE_TYPE(one.get()) == GST_MESSAGE_ERROR) {
      gst_element_post_message(settings_.element, make_warning(one.get()).release());
      continue;
    }
    const bool is_task = gst_message_has_name(one.get(), "veo-task") != FALSE;
    auto* const message = gst_message_make_writable(one.release());
    gst_object_replace(&message->src, GST_OBJECT(settings_.element));
    gst_element_post_message(settings_.element, message);
    if (is_task) {
      notify_property(settings_.element, "task-id");
      notify_property(settings_.element, "status");
    }
  }
}

/// Makes a WARNING of an ERROR. An error of veosrc says all that there is to say. An error of a
/// decoder does not know the task.
Owned<GstMessage> LiveClip::make_warning(GstMessage* message) const {
  GError* error = nullptr;
  gchar* debug = nullptr;
  const GstStructure* details = nullptr;
  gst_message_parse_error(message, &error, &debug);
  gst_message_parse_error_details(message, &details);
  const Owned<GError> owned_error(error);
  const Owned<char> owned_debug(debug);
  if (details != nullptr && gst_structure_has_name(details, "veo-error") != FALSE) {
    return Owned<GstMessage>(gst_message_new_warning_with_details(
        GST_OBJECT(settings_.element), error, debug, gst_structure_copy(details)));
  }
  const auto task = snapshot().job.task_id;
  Error seen{.code = ErrorCode::bad_media, .message = error->message, .task_id = task};
  if (!task.empty()) {
    seen.message =
        "The clip of task " + task + " cannot be decoded: " + error->message +
        " The task is complete and paid, and its file is kept. Once it can be decoded, " +
        make_task_property(task) + " plays it and costs nothing.";
    seen.charged = Charged::unknown;
  }
  const Owned<GError> told(g_error_new_literal(error->domain, error->code, seen.message.c_str()));
  return Owned<GstMessage>(gst_message_new_warning_with_details(
      GST_OBJECT(settings_.element), told.get(), debug, make_error_details(seen)));
}

// --- any thread ---

bool LiveClip::is_ready() const {
  const auto progress = progress_.lock();
  if (progress->frames == 0 || progress->has_failed) return false;
  const bool has_frames = progress->frames == look_ahead_ || progress->is_complete;
  const bool has_sounds =
      !progress->has_sound || progress->sounds == look_ahead_sounds_ || progress->is_sound_complete;
  return has_frames && has_sounds;
}

bool LiveClip::has_failed() const { return progress_.lock()->has_failed; }

bool LiveClip::is_empty() const {
  const auto progress = progress_.lock();
  return progress->is_complete && progress->frames == 0 && !progress->has_failed;
}

Source::Snapshot LiveClip::snapshot() const {
  return source_ != nullptr ? take_snapshot(source_) : Source::Snapshot{};
}

// --- the caller of take() ---

LiveClip::Taken LiveClip::take(std::size_t samples) {
  // Read this first: what was pulled after an end is complete.
  bool is_complete = false;
  {
    const auto progress = progress_.lock();
    is_complete = progress->is_complete || progress->has_failed;
  }
  const auto& video = settings_.formats.video;
  const auto begin = time_of(tick_, video);
  const auto half = time_of(1, video) / 2;
  const auto is_due = [&](const Frame& frame) {
    return frame.begin + rounding < begin + std::min(half, (frame.end - frame.begin) / 2);
  };
  for (;;) {
    if (!next_) next_ = pull_frame();
    // The first frame is due in any case.
    if (!next_ || (shown_ && !is_due(*next_))) break;
    shown_ = std::exchange(next_, std::nullopt);
  }
  if (!next_ && (!shown_ || shown_->end + rounding < begin + half)) {
    return {.kind = is_complete ? Taken::Kind::ended : Taken::Kind::late, .tick = {}};
  }
  const auto end = position_ + static_cast<std::int64_t>(samples);
  if (!has_sound_until(end)) return {};
  Taken taken{
      .kind = Taken::Kind::tick,
      .tick = {.video = copy_frame(shown_->buffer.get()), .audio = make_sound(position_, end)}};
  ++tick_;
  position_ = end;
  return taken;
}

std::optional<LiveClip::Frame> LiveClip::pull_frame() {
  const Owned<GstSample> sample(gst_app_sink_try_pull_sample(video_sink_, 0));
  if (!sample) return std::nullopt;
  auto* const buffer = gst_sample_get_buffer(sample.get());
  const auto running_time = gst_segment_to_running_time(gst_sample_get_segment(sample.get()),
                                                        GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
  // A frame without a time follows the frame before it.
  const bool has_time = GST_CLOCK_TIME_IS_VALID(running_time);
  if (!GST_CLOCK_TIME_IS_VALID(origin_)) origin_ = has_time ? running_time : 0;
  Frame frame{.buffer = Buffer(gst_buffer_ref(buffer))};
  frame.begin = !has_time ? newest_end_ : running_time > origin_ ? running_time - origin_ : 0;
  const auto duration = GST_BUFFER_DURATION(buffer);
  frame.end = frame.begin +
              (GST_CLOCK_TIME_IS_VALID(duration) ? duration : time_of(1, settings_.formats.video));
  newest_end_ = frame.end;
  return frame;
}

/// Takes the next buffer of sound. False: there is none now.
bool LiveClip::pull_sound() {
  const Owned<GstSample> sample(gst_app_sink_try_pull_sample(audio_sink_, 0));
  if (!sample) return false;
  auto* const buffer = gst_sample_get_buffer(sample.get());
  const auto& info = settings_.formats.audio;
  const auto rate = static_cast<std::int64_t>(GST_AUDIO_INFO_RATE(&info));
  const auto length = static_cast<std::int64_t>(gst_buffer_get_size(buffer)) /
                      static_cast<std::int64_t>(GST_AUDIO_INFO_BPF(&info));
  const auto running_time = gst_segment_to_running_time(gst_sample_get_segment(sample.get()),
                                                        GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
  auto begin = sound_end_;
  if (GST_CLOCK_TIME_IS_VALID(running_time)) {
    const bool is_early = running_time < origin_;
    const auto distance = is_early ? origin_ - running_time : running_time - origin_;
    const auto in_samples = static_cast<std::int64_t>(
        gst_util_uint64_scale_round(distance, static_cast<guint64>(rate), GST_SECOND));
    begin = is_early ? -in_samples : in_samples;
  }
  if (!sounds_.empty() && std::abs(begin - sound_end_) <= rate / least_gap) begin = sound_end_;
  sound_end_ = std::max(sound_end_, begin + length);
  sounds_.push_back(
      {.buffer = Buffer(gst_buffer_ref(buffer)), .begin = begin, .end = begin + length});
  return true;
}

/// Whether all sound before `position` is here, or never comes.
bool LiveClip::has_sound_until(std::int64_t position) {
  // Read this first: what was pulled after an end is complete.
  bool is_complete = false;
  {
    const auto progress = progress_.lock();
    is_complete = !progress->has_sound || progress->is_sound_complete || progress->has_failed;
  }
  while (sound_end_ < position && pull_sound()) continue;
  return sound_end_ >= position || is_complete;
}

/// Makes a buffer of the samples from `begin` to `end`, and drops the sound before `end`.
Buffer LiveClip::make_sound(std::int64_t begin, std::int64_t end) {
  const auto& info = settings_.formats.audio;
  const auto bytes_of = [&](std::int64_t samples) {
    return static_cast<gsize>(samples) * static_cast<gsize>(GST_AUDIO_INFO_BPF(&info));
  };
  Buffer made(gst_buffer_new_allocate(nullptr, bytes_of(end - begin), nullptr));
  GstMapInfo map;
  if (gst_buffer_map(made.get(), &map, GST_MAP_WRITE) == FALSE) return made;
  gst_audio_format_info_fill_silence(info.finfo, map.data, map.size);
  auto filled = begin;
  for (const auto& sound : sounds_) {
    const auto from = std::max(sound.begin, filled);
    const auto to = std::min(sound.end, end);
    if (from >= to) continue;
    gst_buffer_extract(sound.buffer.get(), bytes_of(from - sound.begin),
                       map.data + bytes_of(from - begin), bytes_of(to - from));
    filled = to;
  }
  gst_buffer_unmap(made.get(), &map);
  while (!sounds_.empty() && sounds_.front().end <= end) sounds_.pop_front();
  return made;
}

}  // namespace veo::plugin
