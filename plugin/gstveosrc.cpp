// SPDX-License-Identifier: LGPL-2.1-or-later

/**
 * SECTION:element-veosrc
 * @title: veosrc
 * @short_description: generates a video from a prompt, and plays it
 *
 * veosrc submits a task to the Veo 3.1 service, waits until it is completed, and pushes the
 * resulting MP4 while it is being downloaded. **Each task costs credits.** The key comes from
 * #GstVeoSrc:api-key-file, or from the environment (VEO_API_KEY_FILE, VEO_API_KEY_COMMAND,
 * VEO_API_KEY).
 *
 * The key and the prompt go to api.aivideoapi.ai, unless #GstVeoSrc:api-url names another address.
 * The provider there offers Google's Veo 3.1 models, and is not Google. Its keys begin with sk-.
 *
 * The wait takes minutes. PROGRESS messages (`submit`, `generate`, `download`) and `veo-task`
 * element messages report how far the task is. The application can cancel the wait at any moment.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 veosrc prompt="a dog in a park" ! decodebin ! videoconvert ! autovideosink
 * ]| Play a generated video.
 * |[
 * gst-launch-1.0 veosrc prompt="a dog in a park" layout=original ! filesink location=dog.mp4
 * ]| Keep the file exactly as the service delivered it.
 * |[
 * gst-launch-1.0 -q veosrc task-id=cbf6b69d-4f03-4817-8ed7-94c0292184a8 ! fdsink | \
 *     ffmpeg -i - dog.webm
 * ]| Transcode the video of a task that is already paid.
 * |[
 * gst-launch-1.0 -m veosrc prompt="a dog in a park" mode=quality resolution=4k dry-run=true ! \
 *     fakesink
 * ]| Ask for the price. veosrc sends nothing.
 * |[
 * gst-launch-1.0 veosrc prompt="a dog in a park" callback-listen=127.0.0.1:8080 \
 *     callback-url=https://me.example/veo ! decodebin ! videoconvert ! autovideosink
 * ]| Let the service call back when the task ends, through your own proxy at me.example.
 *
 * The MP4 file itself carries the tags of the clip (title, comment with the task's id, date),
 * because a demuxer does not pass on the tags of a stream. So the files that a muxer makes of the
 * clip have them, too. #GstVeoSrc:prompt-tag adds the prompt. #GstVeoSrc:layout `original` adds
 * nothing.
 *
 * An application that knows what it will play can submit the task ahead of time, and play it later:
 * |[<!-- language="C" -->
 * gboolean accepted;
 * g_signal_emit_by_name (src, "prepare", &accepted);
 * ]|
 *
 * Since: 0.1
 */

#include "gstveosrc.h"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "gstveodecoders.h"
#include "gstveoending.h"
#include "gstveoerror.h"
#include "gstveoevent.h"
#include "gstveoowned.h"
#include "gstveopeer.h"
#include "gstveoprepared.h"
#include "gstveoproperties.h"
#include "gstveoreporter.h"
#include "gstveouri.h"
#include "veo/source/source_reader.h"
#include "veo/system/guarded.h"
#include "veo/system/threads.h"

GST_DEBUG_CATEGORY_STATIC(gst_veo_src_debug);
#undef GST_CAT_DEFAULT
#define GST_CAT_DEFAULT gst_veo_src_debug

namespace veo::plugin {

namespace {

// The largest buffer, in bytes. A buffer is smaller if fewer bytes have arrived. The size is that
// of a block of the clip in memory.
constexpr guint default_blocksize = 256U << 10U;

}  // namespace

/// The work of veosrc, without GObject. The application's threads and the streaming thread share
/// `state_` and the reader's source. Only the streaming thread uses `stream_`.
class VeoSrc {
 public:
  explicit VeoSrc(GstBaseSrc* element) : element_(element) {}

  // --- any thread ---

  bool set_property(guint id, const GValue* value) {
    return plugin::set_property(state_.lock()->settings, id, value);
  }

  bool get_property(guint id, GValue* value) const {
    return plugin::get_property(state_.lock()->settings, id, value);
  }

  void set_settings(ElementSettings settings) { state_.lock()->settings = std::move(settings); }

  bool set_uri(const char* uri) { return plugin::set_uri(state_.lock()->settings, uri); }

  [[nodiscard]] std::string uri() const { return state_.lock()->settings.uri; }

  [[nodiscard]] Source::Snapshot snapshot() const {
    if (const auto source = reader_.source()) return source->snapshot();
    const auto prepared = state_.lock()->prepared;
    return prepared ? prepared->snapshot() : Source::Snapshot{};
  }

  /// Handles the action signal. False: the properties cannot be used, and a WARNING says why.
  bool prepare() {
    auto options = read_options();
    auto begun = options ? Prepared::begin(GST_ELEMENT(element_), std::move(*options))
                         : fail(std::move(options.error()));
    if (!begun) {
      GST_WARNING_OBJECT(element_, "prepare: %s", begun.error().message.c_str());
      post_warning(GST_ELEMENT(element_), begun.error());
      return false;
    }
    GST_DEBUG_OBJECT(element_, "prepare: begun");
    set_prepared(std::move(*begun));
    return true;
  }

  /// Handles the action signal. Ends every wait of a stream that plays, and the stream ends with
  /// EOS.
  void abandon() {
    set_prepared(nullptr);
    const auto state = state_.lock();
    GST_INFO_OBJECT(element_, "abandon, %s", state->is_running ? "while it runs" : "at rest");
    if (!state->is_running) return;
    state->is_abandoned = true;
    if (!state->eos) state->eos.reset(gst_event_new_eos());
    reader_.interrupt();
  }

  /// Handles EOS of the application. Ends every wait, and the streaming thread ends the stream: see
  /// gstveoending.h. Returns at once. At rest, the next stream ends before it begins, as with
  /// GstBaseSrc.
  void on_eos(Owned<GstEvent> eos) {
    GST_INFO_OBJECT(element_, "the application ends the stream");
    const auto state = state_.lock();
    if (state->eos) return;
    state->eos = std::move(eos);
    reader_.interrupt();
  }

  void unlock() {
    GST_DEBUG_OBJECT(element_, "unlock: the waits end");
    const auto state = state_.lock();
    // A flush drops an EOS, as it does in GstBaseSrc. But after an EOS that came before the stream
    // began, nothing is submitted any more until the element has returned to READY.
    if (state->is_streaming && !state->is_abandoned) state->eos.reset();
    reader_.interrupt();
    ending_.interrupt();
  }

  void unlock_stop() {
    GST_DEBUG_OBJECT(element_, "unlock_stop");
    reader_.resume();
    ending_.resume();
  }

  /// A flush without a seek. The elements downstream have dropped bytes, and nobody knows which. So
  /// the stream begins again where its segment begins. The caller holds the stream's lock.
  void rewind() {
    GST_OBJECT_LOCK(element_);
    auto& segment = element_->segment;
    GST_DEBUG_OBJECT(element_,
                     "flushed at %" G_GUINT64_FORMAT ": begins again at %" G_GUINT64_FORMAT,
                     segment.position, segment.start);
    if (segment.rate > 0) segment.position = segment.start;
    GST_OBJECT_UNLOCK(element_);
  }

  // --- the streaming thread, and state changes, which never run at the same time ---

  void start() {
    GST_DEBUG_OBJECT(element_, "start");
    const auto state = state_.lock();
    state->is_running = true;
    // abandon() and on_eos() interrupt the reader, and no unlock_stop() follows them.
    reader_.resume();
    ending_.resume();
    forget_end(GST_ELEMENT(element_));
  }

  /// Releases the job when the element returns to READY. A submission that has begun still ends,
  /// and is recorded.
  void stop() {
    GST_DEBUG_OBJECT(element_, "stop");
    if (stream_.reporter) stream_.reporter->canceled();
    stream_.reporter.reset();
    stream_.has_begun = false;
    stream_.announced.reset();
    reader_.close();
    const auto state = state_.lock();
    state->is_running = false;
    state->is_abandoned = false;
    state->is_streaming = false;
    state->eos.reset();
  }

  GstFlowReturn create(guint64 offset, guint size, GstBuffer** out) {
    if (has_ended()) return give_up();
    if (!reader_.is_started()) {
      if (const auto flow = open(); flow != GST_FLOW_OK) return flow;
    }
    SourceReader::Watch watch;
    if (!stream_.has_begun) {
      watch.on_change = [this](const auto& seen) { report(seen); };
      watch.interval = stream_.reporter->interval();
    }
    auto taken = reader_.take(offset, size, watch);
    if (!taken) return leave();
    if (!*taken) return fail_with(taken->error());
    if ((*taken)->bytes.empty()) {
      GST_INFO_OBJECT(element_, "the stream ends at %" G_GUINT64_FORMAT, offset);
      stream_.reporter->ended(reader_.snapshot());
      if (stream_.has_begun) return GST_FLOW_EOS;
      const Owned<GstEvent> eos(gst_event_new_eos());  // of a dry run
      return end(eos.get(), false);
    }
    begin_stream();
    *out = wrap(std::move(**taken), offset);
    return GST_FLOW_OK;
  }

  /// Pushes the events that come before the first buffer. GstBaseSrc sends its segment after
  /// create() returns, and these events must follow the segment. So a probe calls this function
  /// when a buffer is about to go out.
  void push_events(GstPad* pad) {
    const auto task = std::exchange(stream_.announced, std::nullopt);
    if (!task) return;
    gst_pad_push_event(pad, make_task_event(GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, *task));
    gst_pad_push_event(pad, make_tag_event(stream_.tags));
  }

 private:
  // The application may change the settings while the stream plays.
  struct State {
    ElementSettings settings;
    bool is_running = false;             // from start() to stop()
    bool is_abandoned = false;           // while it runs
    bool is_streaming = false;           // the first buffer was sent, or is about to be
    Owned<GstEvent> eos;                 // not null: the application has ended the stream
    std::shared_ptr<Prepared> prepared;  // null once this element plays the request
  };

  /// Only the streaming thread and stop() use these members.
  struct Stream {
    std::optional<Reporter> reporter;  // from the first create() to stop()
    std::string prompt;                // for the tags; empty: the prompt stays out of files
    ClipTags tags;
    bool has_begun = false;              // the first buffer was sent, or is about to be
    std::optional<TaskEvent> announced;  // the event that must go ahead of the first buffer
    std::chrono::steady_clock::time_point opened_at;
  };

  void set_prepared(std::shared_ptr<Prepared> prepared) {
    // Take the old object out, so that its destructor runs without the lock.
    const auto replaced = std::exchange(state_.lock()->prepared, std::move(prepared));
  }

  /// Returns what the properties ask for now.
  [[nodiscard]] Result<Options> read_options() const {
    const auto state = state_.lock();
    if (state->settings.uri_error) return fail(*state->settings.uri_error);
    auto options = state->settings.source;
    if (options.instance.empty()) options.instance = instance_;
    return options;
  }

  /// Opens and starts the source. If a flush has interrupted an opening, continues that opening.
  GstFlowReturn open() {
    if (!reader_.is_opening()) {
      stream_.opened_at = std::chrono::steady_clock::now();
      auto options = read_options();
      if (!options) return fail_with(options.error());
      const bool tells_prompt = options->prompt_tag && options->task_id.empty();
      stream_.prompt = tells_prompt ? options->request.prompt : "";
      // After a flush in the wait for a peer, the reporter has an open step.
      if (!stream_.reporter) stream_.reporter.emplace(GST_ELEMENT(element_), *options);
      if (!options->dry_run) {
        const auto is_linked = wait_for_somebody();
        if (!is_linked) return leave();
        if (!*is_linked) return fail_with(is_linked->error());
        warn_of_missing_decoders(GST_ELEMENT(element_), GST_BASE_SRC_PAD(element_));
      }
      GST_DEBUG_OBJECT(element_, "opening");
      if (auto begun = reader_.begin(std::move(*options)); !begun) return fail_with(begun.error());
    }
    const auto opened = reader_.wait_until_open([this](const Error& trouble) {
      GST_DEBUG_OBJECT(element_, "still opening: %s", trouble.message.c_str());
      stream_.reporter->opening(trouble);
    });
    if (!opened) return leave();
    if (!*opened) return fail_with(opened->error());
    GST_INFO_OBJECT(element_, "opened");
    // Post the price on the bus before the submission.
    report(**opened);
    // wait_until_open() may have found an open source though it was interrupted.
    if (has_ended()) return give_up();
    reader_.start();
    // The source has joined the prepared job, or the properties now ask for another request.
    set_prepared(nullptr);
    return GST_FLOW_OK;
  }

  /// Waits for somebody who takes the video that is about to be paid.
  Waited<void> wait_for_somebody() {
    return wait_for_peer(
        GST_BASE_SRC_PAD(element_),
        [this] {
          GST_INFO_OBJECT(element_, "waits for a peer of the src pad");
          stream_.reporter->waiting("Waiting until the src pad is linked; nothing is sent yet");
        },
        [this](Wakeup::Time until) { return reader_.pause(until); });
  }

  /// Ends create() after an interrupted wait.
  GstFlowReturn leave() {
    if (has_ended()) return give_up();
    GST_DEBUG_OBJECT(element_, "flushing");
    return GST_FLOW_FLUSHING;
  }

  [[nodiscard]] bool has_ended() const { return state_.lock()->eos != nullptr; }

  /// Ends the stream as the application asked. Releases a job that is not completed, or abandoned.
  /// A seek can play the other ones again.
  GstFlowReturn give_up() {
    Owned<GstEvent> eos;
    bool is_abandoned = false;
    {
      const auto state = state_.lock();
      if (!state->eos) return GST_FLOW_FLUSHING;  // a flush has dropped it
      eos.reset(gst_event_ref(state->eos.get()));
      is_abandoned = state->is_abandoned;
    }
    GST_INFO_OBJECT(element_, "%s: the stream ends", is_abandoned ? "abandoned" : "ended");
    if (stream_.reporter) stream_.reporter->canceled();
    if (!stream_.has_begun || is_abandoned) reader_.close();
    return end(eos.get(), true);
  }

  /// Ends the stream, which GstBaseSrc would end with EOS in any case.
  GstFlowReturn end(GstEvent* eos, bool is_asked) {
    end_stream({.element = GST_ELEMENT(element_),
                .src = GST_BASE_SRC_PAD(element_),
                .eos = eos,
                .has_data = stream_.has_begun,
                .is_asked = is_asked},
               ending_);
    // GstBaseSrc pauses the task, and pushes no EOS of its own.
    return GST_FLOW_FLUSHING;
  }

  void report(const Source::Snapshot& seen) { stream_.reporter->update(seen); }

  /// Tells the application that the stream begins, and prepares the events for downstream. Does so
  /// once, ahead of the first buffer.
  void begin_stream() {
    if (stream_.has_begun) return;
    stream_.has_begun = true;
    state_.lock()->is_streaming = true;
    const auto seen = reader_.snapshot();
    GST_INFO_OBJECT(element_, "the stream of %" G_GUINT64_FORMAT " bytes begins", *seen.size);
    // GstBaseSrc asks for the size only when it starts, and the size was not known then.
    GST_OBJECT_LOCK(element_);
    element_->segment.duration = *seen.size;
    GST_OBJECT_UNLOCK(element_);
    gst_element_post_message(GST_ELEMENT(element_),
                             gst_message_new_duration_changed(GST_OBJECT(element_)));
    stream_.reporter->streaming(seen);
    TaskEvent task{.task_id = seen.job.task_id, .status = TaskStatus::completed};
    if (seen.job.report) task.upstream_id = seen.job.report->upstream_task_id.value_or("");
    stream_.announced = std::move(task);
    stream_.tags = make_clip_tags(seen.job.task_id, stream_.prompt,
                                  seen.job.report ? seen.job.report->created_at : std::nullopt);
  }

  static GstBuffer* wrap(SharedBytes taken, guint64 offset) {
    const auto bytes = taken.bytes;
    auto owner = std::make_unique<std::shared_ptr<const void>>(std::move(taken.owner));
    const auto release = [](gpointer data) {
      delete static_cast<std::shared_ptr<const void>*>(data);
    };
    // The memory is read-only, because the cache and other readers share the bytes.
    auto* buffer = gst_buffer_new_wrapped_full(
        GST_MEMORY_FLAG_READONLY, const_cast<std::uint8_t*>(bytes.data()), bytes.size(), 0,
        bytes.size(), owner.release(), release);
    GST_BUFFER_OFFSET(buffer) = offset;
    GST_BUFFER_OFFSET_END(buffer) = offset + bytes.size();
    return buffer;
  }

  GstFlowReturn fail_with(const Error& error) {
    GST_WARNING_OBJECT(element_, "%s: %s", std::string(nick(error.code)).c_str(),
                       error.message.c_str());
    if (!reader_.pause(stream_.opened_at + first_error_after)) return leave();
    if (stream_.reporter) stream_.reporter->failed(error);
    post_error(GST_ELEMENT(element_), error);
    return GST_FLOW_ERROR;
  }

  GstBaseSrc* const element_;  // owns this
  /// With reuse=false, this name makes the task the element's own, so that the element submits it
  /// only once, however often it returns to READY.
  const std::string instance_ = make_instance();
  Guarded<State> state_;
  SourceReader reader_;
  Wakeup ending_;  // for end_stream(), since on_eos() interrupts the reader
  Stream stream_;
};

}  // namespace veo::plugin

using veo::plugin::VeoSrc;

struct _GstVeoSrc {
  GstPushSrc parent;
  VeoSrc* impl;  // owned: created in init, deleted in finalize
};

static void gst_veo_src_uri_handler_init(gpointer iface, gpointer);
G_DEFINE_TYPE_WITH_CODE(GstVeoSrc, gst_veo_src, GST_TYPE_PUSH_SRC,
                        G_IMPLEMENT_INTERFACE(GST_TYPE_URI_HANDLER, gst_veo_src_uri_handler_init))
GST_ELEMENT_REGISTER_DEFINE_WITH_CODE(veosrc, "veosrc", GST_RANK_PRIMARY, GST_TYPE_VEO_SRC,
                                      GST_DEBUG_CATEGORY_INIT(gst_veo_src_debug, "veosrc", 0,
                                                              "veosrc element"))

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS("video/quicktime, variant=(string)iso"));

static guint first_task_property;

static VeoSrc& impl(gpointer object) { return *GST_VEO_SRC(object)->impl; }

static void gst_veo_src_set_property(GObject* object, guint id, const GValue* value,
                                     GParamSpec* spec) {
  if (!impl(object).set_property(id, value)) G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
}

static void gst_veo_src_get_property(GObject* object, guint id, GValue* value, GParamSpec* spec) {
  const auto& src = impl(object);
  const bool got =
      veo::plugin::get_task_property(src.snapshot(), id - first_task_property, spec, value) ||
      src.get_property(id, value);
  if (!got) G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
}

namespace veo::plugin {

void set_settings(GstVeoSrc* self, ElementSettings settings) {
  impl(self).set_settings(std::move(settings));
}

Source::Snapshot take_snapshot(GstVeoSrc* self) { return impl(self).snapshot(); }

}  // namespace veo::plugin

static GstURIType gst_veo_src_uri_get_type(GType) { return GST_URI_SRC; }

static const gchar* const* gst_veo_src_uri_get_protocols(GType) {
  static const gchar* const protocols[] = {"veo", nullptr};
  return protocols;
}

static gchar* gst_veo_src_uri_get(GstURIHandler* handler) {
  const auto uri = impl(handler).uri();
  return uri.empty() ? nullptr : g_strdup(uri.c_str());
}

static gboolean gst_veo_src_uri_set(GstURIHandler* handler, const gchar* uri, GError** error) {
  if (GST_STATE(handler) > GST_STATE_READY) {
    g_set_error_literal(error, GST_URI_ERROR, GST_URI_ERROR_BAD_STATE,
                        "The URI can be set up to the state READY");
    return FALSE;
  }
  if (impl(handler).set_uri(uri)) return TRUE;
  g_set_error(error, GST_URI_ERROR, GST_URI_ERROR_BAD_URI, "%s is no URI of the scheme veo", uri);
  return FALSE;
}

static void gst_veo_src_uri_handler_init(gpointer iface, gpointer) {
  auto* handler = static_cast<GstURIHandlerInterface*>(iface);
  handler->get_type = gst_veo_src_uri_get_type;
  handler->get_protocols = gst_veo_src_uri_get_protocols;
  handler->get_uri = gst_veo_src_uri_get;
  handler->set_uri = gst_veo_src_uri_set;
}

static GstFlowReturn gst_veo_src_create(GstBaseSrc* element, guint64 offset, guint size,
                                        GstBuffer** out) {
  return impl(element).create(offset, size, out);
}

static gboolean gst_veo_src_prepare(GstVeoSrc* self) { return impl(self).prepare() ? TRUE : FALSE; }

static void gst_veo_src_abandon(GstVeoSrc* self) { impl(self).abandon(); }

static gboolean gst_veo_src_send_event(GstElement* element, GstEvent* event) {
  const auto send = GST_ELEMENT_CLASS(gst_veo_src_parent_class)->send_event;
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_EOS:
      impl(element).on_eos(veo::plugin::Owned<GstEvent>(event));
      return TRUE;
    case GST_EVENT_FLUSH_STOP: {
      auto* const pad = GST_BASE_SRC_PAD(element);
      GST_PAD_STREAM_LOCK(pad);
      impl(element).rewind();
      const auto sent = send(element, event);
      GST_PAD_STREAM_UNLOCK(pad);
      return sent;
    }
    default:
      return send(element, event);
  }
}

static gboolean gst_veo_src_unlock(GstBaseSrc* element) {
  impl(element).unlock();
  return TRUE;
}

static gboolean gst_veo_src_unlock_stop(GstBaseSrc* element) {
  impl(element).unlock_stop();
  return TRUE;
}

static gboolean gst_veo_src_start(GstBaseSrc* element) {
  // GStreamer's own threads do not exist in a child of fork() either, so create() would never run.
  if (auto here = veo::check_not_forked(); !here) {
    veo::plugin::post_error(GST_ELEMENT(element), here.error());
    return FALSE;
  }
  impl(element).start();
  return TRUE;
}

static gboolean gst_veo_src_stop(GstBaseSrc* element) {
  impl(element).stop();
  return TRUE;
}

static gboolean gst_veo_src_get_size(GstBaseSrc* element, guint64* size) {
  const auto known = impl(element).snapshot().size;
  if (known) *size = *known;
  return known.has_value();
}

static gboolean gst_veo_src_is_seekable(GstBaseSrc* element) {
  return impl(element).snapshot().size.has_value();
}

static gboolean gst_veo_src_query(GstBaseSrc* element, GstQuery* query) {
  if (!GST_BASE_SRC_CLASS(gst_veo_src_parent_class)->query(element, query)) return FALSE;
  if (GST_QUERY_TYPE(query) == GST_QUERY_SCHEDULING) {
    // urisourcebin treats a custom scheme as a network stream only with this flag. veosrc is one.
    GstSchedulingFlags flags;
    gint min = 0;
    gint max = 0;
    gint align = 0;
    gst_query_parse_scheduling(query, &flags, &min, &max, &align);
    gst_query_set_scheduling(
        query, static_cast<GstSchedulingFlags>(flags | GST_SCHEDULING_FLAG_BANDWIDTH_LIMITED), min,
        max, align);
  }
  return TRUE;
}

// veosrc needs no allocator of downstream, and an ALLOCATION query can block: the query waits in a
// queue until a sink has prerolled, and that sink may wait for our next buffer (for example
// `veosrc ! tee`, to a file and to a decoder).
static GstPadProbeReturn drop_allocation_query(GstPad*, GstPadProbeInfo* info, gpointer) {
  return GST_QUERY_TYPE(GST_PAD_PROBE_INFO_QUERY(info)) == GST_QUERY_ALLOCATION ? GST_PAD_PROBE_DROP
                                                                                : GST_PAD_PROBE_OK;
}

static GstPadProbeReturn push_events_first(GstPad* pad, GstPadProbeInfo*, gpointer element) {
  impl(element).push_events(pad);
  return GST_PAD_PROBE_OK;
}

static void gst_veo_src_init(GstVeoSrc* self) {
  auto* base = GST_BASE_SRC(self);
  self->impl = new VeoSrc(base);
  gst_pad_add_probe(GST_BASE_SRC_PAD(base), GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM,
                    drop_allocation_query, nullptr, nullptr);
  gst_pad_add_probe(GST_BASE_SRC_PAD(base), GST_PAD_PROBE_TYPE_BUFFER, push_events_first, self,
                    nullptr);
  gst_base_src_set_format(base, GST_FORMAT_BYTES);
  gst_base_src_set_blocksize(base, veo::plugin::default_blocksize);
  // Do not end the stream at the last byte: create() returns EOS when the clip is in the cache.
  gst_base_src_set_automatic_eos(base, FALSE);
}

static void gst_veo_src_finalize(GObject* object) {
  delete GST_VEO_SRC(object)->impl;
  G_OBJECT_CLASS(gst_veo_src_parent_class)->finalize(object);
}

static void gst_veo_src_class_init(GstVeoSrcClass* klass) {
  auto* object_class = G_OBJECT_CLASS(klass);
  auto* element_class = GST_ELEMENT_CLASS(klass);
  auto* base_class = GST_BASE_SRC_CLASS(klass);

  object_class->set_property = gst_veo_src_set_property;
  object_class->get_property = gst_veo_src_get_property;
  object_class->finalize = gst_veo_src_finalize;
  element_class->send_event = gst_veo_src_send_event;

  first_task_property =
      veo::plugin::install_properties(object_class, veo::OptionSetter::source_element);
  veo::plugin::install_task_properties(object_class, first_task_property);

  constexpr auto action = static_cast<GSignalFlags>(G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION);
  /**
   * GstVeoSrc::prepare:
   *
   * Submits the task without playing it, in any state of the element, and returns at once. If the
   * record already has the task, joins that task. `veo-task` element messages report how far the
   * task is. A WARNING with the details of an error reports a failure. The finished clip is stored
   * in the cache. An element that plays with the same properties joins the task, which is paid
   * once, also with reuse=false. State changes do not affect the task. #GstVeoSrc::abandon and the
   * end of the element do.
   *
   * Returns: %FALSE if the properties cannot be used. A WARNING says why.
   *
   * Since: 0.1
   */
  g_signal_new_class_handler("prepare", G_TYPE_FROM_CLASS(klass), action,
                             G_CALLBACK(gst_veo_src_prepare), nullptr, nullptr, nullptr,
                             G_TYPE_BOOLEAN, 0);
  /**
   * GstVeoSrc::abandon:
   *
   * Stops the wait for the task at once, whether the task is prepared or playing. If the element
   * plays, the stream ends with EOS. A task that was accepted is paid, and stays in the record, so
   * the same request can join it later. If a submission has begun, its answer is recorded before
   * the process ends.
   *
   * Since: 0.1
   */
  g_signal_new_class_handler("abandon", G_TYPE_FROM_CLASS(klass), action,
                             G_CALLBACK(gst_veo_src_abandon), nullptr, nullptr, nullptr,
                             G_TYPE_NONE, 0);

  // GstPushSrc restricts us to push mode. We implement create() of GstBaseSrc, which passes the
  // offset, so a byte seek needs no code of ours.
  base_class->create = gst_veo_src_create;
  base_class->unlock = gst_veo_src_unlock;
  base_class->unlock_stop = gst_veo_src_unlock_stop;
  base_class->start = gst_veo_src_start;
  base_class->stop = gst_veo_src_stop;
  base_class->get_size = gst_veo_src_get_size;
  base_class->is_seekable = gst_veo_src_is_seekable;
  base_class->query = gst_veo_src_query;

  gst_element_class_add_static_pad_template(element_class, &src_template);
  gst_element_class_set_static_metadata(element_class, "Veo source", "Source/Network",
                                        "Generates a video with sound from a prompt, and plays it "
                                        "as it arrives. Costs credits. Sends "
                                        "the API key and the prompt to api.aivideoapi.ai, a "
                                        "provider of Veo that is not Google, or to "
                                        "api-url",
                                        "gst-veo");
}
