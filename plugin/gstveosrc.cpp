// SPDX-License-Identifier: LGPL-2.1-or-later

/**
 * SECTION:element-veosrc
 * @title: veosrc
 * @short_description: generates a video from a prompt, and plays it
 *
 * veosrc submits a task to the Veo 3.1 service, waits until it is completed, and pushes the
 * resulting MP4 while it is being downloaded. **Each task costs credits.** The key comes from
 * #GstVeoSrc:api-key-file, or from the environment (VEO_API_KEY_FILE, VEO_API_KEY).
 *
 * The wait takes minutes. It is told by PROGRESS messages (`submit`, `generate`, `download`) and by
 * `veo-task` element messages, and can be cancelled at any moment.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 veosrc prompt="a dog in a park" ! decodebin ! videoconvert ! autovideosink
 * ]| Play a generated video.
 * |[
 * gst-launch-1.0 veosrc prompt="a dog in a park" layout=original ! filesink location=dog.mp4
 * ]| Keep the file exactly as the service delivered it.
 * |[
 * gst-launch-1.0 -q veosrc task-id=cbf6b69d-4f03-4817-8ed7-94c0292184a8 ! fdsink | ffmpeg -i -
 * dog.webm
 * ]| Transcode a task that is already paid.
 * |[
 * gst-launch-1.0 -m veosrc prompt="a dog in a park" mode=quality resolution=4k dry-run=true !
 * fakesink
 * ]| Ask for the price; nothing is sent.
 * |[
 * gst-launch-1.0 veosrc prompt="a dog in a park" callback-listen=127.0.0.1:8080
 * callback-url=https://me.example/veo ! decodebin ! videoconvert ! autovideosink
 * ]| Be told of the end by the service, through a proxy of your own at me.example.
 *
 * An application that knows what it will play submits it ahead of time, and plays it when it likes:
 * |[<!-- language="C" -->
 * gboolean accepted;
 * g_signal_emit_by_name (src, "prepare", &accepted);
 * ]|
 *
 * Since: 0.1
 */

#include "gstveosrc.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <utility>
#include <variant>

#include "gstveoerror.h"
#include "gstveoevent.h"
#include "gstveoprepared.h"
#include "gstveoproperties.h"
#include "gstveoreporter.h"
#include "gstveouri.h"
#include "veo/source/source.h"

GST_DEBUG_CATEGORY_STATIC(gst_veo_src_debug);
#define GST_CAT_DEFAULT gst_veo_src_debug

namespace veo::plugin {

namespace {

// At most: what is there goes out at once. As large as the pieces that are kept in memory.
constexpr guint default_blocksize = 256U << 10U;

}  // namespace

/// What veosrc does, free of GObject. The settings belong to the application's threads, the rest to
/// the streaming thread; `source_` is looked at by both.
class VeoSrc {
 public:
  explicit VeoSrc(GstBaseSrc* element) : element_(element) {}

  bool set_property(guint id, const GValue* value) {
    const std::lock_guard lock(mutex_);
    return plugin::set_property(settings_, id, value);
  }

  bool get_property(guint id, GValue* value) const {
    const std::lock_guard lock(mutex_);
    return plugin::get_property(settings_, id, value);
  }

  bool set_uri(const char* uri) {
    const std::lock_guard lock(mutex_);
    return plugin::set_uri(settings_, uri);
  }

  [[nodiscard]] std::string uri() const {
    const std::lock_guard lock(mutex_);
    return settings_.uri;
  }

  [[nodiscard]] Source::Snapshot snapshot() const {
    std::unique_lock lock(mutex_);
    const auto source = source_;
    const auto prepared = prepared_;
    lock.unlock();
    if (source) return source->snapshot();
    return prepared ? prepared->snapshot() : Source::Snapshot{};
  }

  /// The action signal. False: it cannot even be looked up, as a WARNING says.
  bool prepare() {
    auto settings = source_settings();
    auto begun = settings ? Prepared::begin(GST_ELEMENT(element_), std::move(*settings))
                          : fail(std::move(settings.error()));
    if (!begun) {
      post_warning(GST_ELEMENT(element_), begun.error());
      return false;
    }
    set_prepared(std::move(*begun));
    return true;
  }

  /// Likewise. What plays comes to EOS, in whatever phase it is, that of opening among them.
  void abandon() {
    set_prepared(nullptr);
    {
      const std::lock_guard lock(mutex_);
      if (!running_) return;
      abandoned_ = true;
    }
    wakeup_->notify();
  }

  GstFlowReturn create(guint64 offset, guint size, GstBuffer** out) {
    for (;;) {
      const auto ticket = wakeup_->ticket();
      if (abandoned_) return give_up();
      const auto source = current();
      if (!source) {
        if (auto opened = open(); !opened) return fail_with(opened.error());
        if (!current() && !wakeup_->wait(ticket, opening_->next_change())) {
          return GST_FLOW_FLUSHING;
        }
        continue;
      }
      if (!streaming_) report(source->snapshot());
      auto there = source->at(offset);
      if (const auto* ready = std::get_if<Clip::Ready>(&there)) {
        begin_stream(source->snapshot());
        return fill(*source, offset, std::min<guint64>(ready->size, size), out);
      }
      if (std::holds_alternative<Clip::End>(there)) {
        reporter_->warn(source->snapshot());
        return GST_FLOW_EOS;
      }
      if (const auto* error = std::get_if<Error>(&there)) return fail_with(*error);
      if (!wakeup_->wait(ticket)) return GST_FLOW_FLUSHING;
    }
  }

  void unlock() { wakeup_->interrupt(); }
  void unlock_stop() { wakeup_->resume(); }

  void start() {
    const std::lock_guard lock(mutex_);
    running_ = true;
  }

  /// The element goes back to READY: the job is abandoned, and what is in flight ends by itself.
  void stop() {
    if (reporter_) reporter_->canceled();
    reporter_.reset();
    opening_.reset();
    streaming_ = false;
    set_source(nullptr);
    const std::lock_guard lock(mutex_);
    running_ = false;
    abandoned_ = false;
  }

 private:
  [[nodiscard]] std::shared_ptr<Source> current() const {
    const std::lock_guard lock(mutex_);
    return source_;
  }

  // What they replace goes when nothing is locked.
  void set_source(std::shared_ptr<Source> source) {
    const std::lock_guard lock(mutex_);
    source_.swap(source);
  }
  void set_prepared(std::shared_ptr<Prepared> prepared) {
    const std::lock_guard lock(mutex_);
    prepared_.swap(prepared);
  }

  /// What the properties ask for now.
  [[nodiscard]] Result<Options> source_settings() const {
    const std::lock_guard lock(mutex_);
    if (settings_.uri_error) return fail(*settings_.uri_error);
    auto settings = settings_.source;
    settings.instance = instance_;
    return settings;
  }

  /// Goes on with opening it, as far as that is possible now.
  Status open() {
    if (!opening_) {
      opened_at_ = std::chrono::steady_clock::now();
      auto settings = source_settings();
      if (!settings) return fail(std::move(settings.error()));
      description_ = prompt_tag() ? settings->request.prompt : "";
      reporter_.emplace(GST_ELEMENT(element_), *settings);
      auto opening = Source::begin(std::move(*settings), wakeup_);
      if (!opening) return fail(std::move(opening.error()));
      opening_ = std::move(*opening);
    }
    auto opened = opening_->take();
    if (!opened) {
      if (const auto trouble = opening_->trouble()) reporter_->opening(*trouble);
      return {};
    }
    opening_.reset();
    if (!*opened) return fail(std::move(opened->error()));
    const std::shared_ptr<Source> source = std::move(**opened);
    GST_INFO_OBJECT(element_, "opened");
    // The price is on the bus before anything is sent.
    report(source->snapshot());
    source->start();
    set_source(source);
    // Its job is the one that was joined just now, or not wanted any more.
    set_prepared(nullptr);
    return {};
  }

  [[nodiscard]] bool prompt_tag() const {
    const std::lock_guard lock(mutex_);
    return settings_.source.prompt_tag;
  }

  GstFlowReturn give_up() {
    if (reporter_) reporter_->canceled();
    opening_.reset();
    set_source(nullptr);
    return GST_FLOW_EOS;
  }

  void report(const Source::Snapshot& seen) {
    reporter_->update(seen);
    if (seen.job.task_id == notified_task_id_) return;
    notified_task_id_ = seen.job.task_id;
    GST_INFO_OBJECT(element_, "task %s", notified_task_id_.c_str());
    g_object_notify(G_OBJECT(element_), "task-id");
  }

  /// Once, ahead of the first buffer: what downstream has to know of the stream.
  void begin_stream(const Source::Snapshot& seen) {
    if (streaming_) return;
    streaming_ = true;
    GST_INFO_OBJECT(element_, "the stream of %" G_GUINT64_FORMAT " bytes begins", *seen.size);
    // GstBaseSrc asks for the size when it starts; ours is known only now.
    GST_OBJECT_LOCK(element_);
    element_->segment.duration = *seen.size;
    GST_OBJECT_UNLOCK(element_);
    gst_element_post_message(GST_ELEMENT(element_),
                             gst_message_new_duration_changed(GST_OBJECT(element_)));
    reporter_->streaming(seen);
    auto* pad = GST_BASE_SRC_PAD(element_);
    TaskEvent task{.task_id = seen.job.task_id, .status = TaskStatus::completed};
    if (seen.job.report) task.upstream_id = seen.job.report->upstream_task_id.value_or("");
    gst_pad_push_event(pad, make_task_event(GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, task));
    gst_pad_push_event(pad, make_task_tags(task.task_id, description_));
  }

  GstFlowReturn fill(Source& source, guint64 offset, guint64 size, GstBuffer** out) {
    auto taken = source.take(offset, size);
    if (!taken) return fail_with(taken.error());
    const auto bytes = taken->bytes;
    auto owner = std::make_unique<std::shared_ptr<const void>>(std::move(taken->owner));
    const auto release = [](gpointer data) {
      delete static_cast<std::shared_ptr<const void>*>(data);
    };
    // Read-only: the cache and other readers share it.
    auto* buffer = gst_buffer_new_wrapped_full(
        GST_MEMORY_FLAG_READONLY, const_cast<std::uint8_t*>(bytes.data()), bytes.size(), 0,
        bytes.size(), owner.release(), release);
    GST_BUFFER_OFFSET(buffer) = offset;
    GST_BUFFER_OFFSET_END(buffer) = offset + bytes.size();
    *out = buffer;
    return GST_FLOW_OK;
  }

  GstFlowReturn fail_with(const Error& error) {
    if (!wakeup_->pause(opened_at_ + first_error_after)) return GST_FLOW_FLUSHING;
    if (reporter_) reporter_->failed(error);
    post_error(GST_ELEMENT(element_), error);
    return GST_FLOW_ERROR;
  }

  GstBaseSrc* const element_;  // owns this
  const std::shared_ptr<Wakeup> wakeup_ = std::make_shared<Wakeup>();
  /// With reuse=false, this element's own task: submitted once, whatever states it goes through.
  const std::string instance_ = make_instance();

  // The streaming thread's, and stop()'s, which does not run beside it.
  std::optional<Reporter> reporter_;
  std::unique_ptr<Source::Opening> opening_;
  std::string notified_task_id_;
  std::string description_;
  bool streaming_ = false;
  std::chrono::steady_clock::time_point opened_at_;

  std::atomic<bool> abandoned_ = false;  // set while running_, until stop()

  mutable std::mutex mutex_;
  // Guarded by mutex_, all four.
  bool running_ = false;  // from start() to stop()
  ElementSettings settings_;
  std::shared_ptr<Source> source_;
  std::shared_ptr<Prepared> prepared_;  // until it plays
};

}  // namespace veo::plugin

using veo::plugin::VeoSrc;

struct _GstVeoSrc {
  GstPushSrc parent;
  VeoSrc* impl;  // owned: made in init, deleted in finalize
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

static gboolean gst_veo_src_unlock(GstBaseSrc* element) {
  impl(element).unlock();
  return TRUE;
}

static gboolean gst_veo_src_unlock_stop(GstBaseSrc* element) {
  impl(element).unlock_stop();
  return TRUE;
}

static gboolean gst_veo_src_start(GstBaseSrc* element) {
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
    // urisourcebin treats a custom scheme as a stream only with this flag, and it is true.
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

// A stream of bytes has no use for downstream's allocators, and asking for them is not free: the
// query waits in a queue behind a sink that prerolls, which may be waiting for our next buffer
// (`veosrc ! tee`, to a file and to a decoder).
static GstPadProbeReturn drop_allocation_query(GstPad*, GstPadProbeInfo* info, gpointer) {
  return GST_QUERY_TYPE(GST_PAD_PROBE_INFO_QUERY(info)) == GST_QUERY_ALLOCATION ? GST_PAD_PROBE_DROP
                                                                                : GST_PAD_PROBE_OK;
}

static void gst_veo_src_init(GstVeoSrc* self) {
  auto* base = GST_BASE_SRC(self);
  self->impl = new VeoSrc(base);
  gst_pad_add_probe(GST_BASE_SRC_PAD(base), GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM,
                    drop_allocation_query, nullptr, nullptr);
  gst_base_src_set_format(base, GST_FORMAT_BYTES);
  gst_base_src_set_blocksize(base, veo::plugin::default_blocksize);
  // The last byte is not the end: that is told when the clip is in the cache.
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

  first_task_property =
      veo::plugin::install_properties(object_class, veo::OptionSetter::source_element);
  veo::plugin::install_task_properties(object_class, first_task_property);

  constexpr auto action = static_cast<GSignalFlags>(G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION);
  /**
   * GstVeoSrc::prepare:
   *
   * Submits the task without playing it, in any state, and returns at once; or joins it, where the
   * record has it already. `veo-task` element messages tell how far it is, and a WARNING, with the
   * details of an error, that it failed. The finished clip comes into the cache. Playing the same
   * properties joins the task; it is paid once, also with reuse=false. States do not touch it;
   * #GstVeoSrc::abandon and the end of the element do.
   *
   * Returns: %FALSE where the properties cannot be used at all; a WARNING says why.
   *
   * Since: 0.1
   */
  g_signal_new_class_handler("prepare", G_TYPE_FROM_CLASS(klass), action,
                             G_CALLBACK(gst_veo_src_prepare), nullptr, nullptr, nullptr,
                             G_TYPE_BOOLEAN, 0);
  /**
   * GstVeoSrc::abandon:
   *
   * Stops waiting for the task, prepared or playing, at once; an element that plays comes to EOS. A
   * task that was accepted is paid, and stays in the record: the same request joins it later. A
   * submission that has begun is answered and recorded before the process ends.
   *
   * Since: 0.1
   */
  g_signal_new_class_handler("abandon", G_TYPE_FROM_CLASS(klass), action,
                             G_CALLBACK(gst_veo_src_abandon), nullptr, nullptr, nullptr,
                             G_TYPE_NONE, 0);

  // GstPushSrc gives us push mode alone. The offset that GstBaseSrc keeps is worth having, so this
  // is its create(), and byte seeks need nothing more.
  base_class->create = gst_veo_src_create;
  base_class->unlock = gst_veo_src_unlock;
  base_class->unlock_stop = gst_veo_src_unlock_stop;
  base_class->start = gst_veo_src_start;
  base_class->stop = gst_veo_src_stop;
  base_class->get_size = gst_veo_src_get_size;
  base_class->is_seekable = gst_veo_src_is_seekable;
  base_class->query = gst_veo_src_query;

  gst_element_class_add_static_pad_template(element_class, &src_template);
  gst_element_class_set_static_metadata(
      element_class, "Veo source", "Source/Network",
      "Generates a video with sound from a prompt (a paid service), and plays it as it arrives",
      "gst-veo");
}
