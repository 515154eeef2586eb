// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstveoextension.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <system_error>
#include <utility>

#include "gstveoerror.h"
#include "gstveofilm.h"
#include "gstveogeneration.h"
#include "veo/core/log.h"
#include "veo/system/threads.h"

GST_DEBUG_CATEGORY(gst_veo_extend_debug);
#define GST_CAT_DEFAULT gst_veo_extend_debug

namespace veo::plugin {

namespace {

/// Returns the buffer's bytes, which stay valid until their last owner is gone. Empty: the buffer
/// cannot be mapped.
SharedBytes share(GstBuffer* buffer) {
  struct Mapped {
    GstBuffer* buffer;
    GstMapInfo map;
    ~Mapped() {
      gst_buffer_unmap(buffer, &map);
      gst_buffer_unref(buffer);
    }
  };
  GstMapInfo map;
  if (gst_buffer_map(buffer, &map, GST_MAP_READ) == FALSE) return {};
  const std::shared_ptr<Mapped> mapped(new Mapped{gst_buffer_ref(buffer), map});
  return {.owner = mapped, .bytes = {map.data, map.size}};
}

}  // namespace

bool Extension::set_property(guint id, const GValue* value) {
  return plugin::set_property(*settings_.lock(), id, value);
}

bool Extension::get_property(guint id, GValue* value) const {
  return plugin::get_property(*settings_.lock(), id, value);
}

Source::Snapshot Extension::snapshot() const {
  const auto source = shared_.source();
  return source ? source->snapshot() : Source::Snapshot{};
}

// --- state changes ---

Extension::~Extension() { unlock(); }

bool Extension::load_media() {
  const auto media = media::load();
  if (media) {
    media_ = *media;
    return true;
  }
  auto error = media.error();
  error.message += " Nothing was sent, and nothing is paid.";
  post_error(shared_.element, error);
  return false;
}

bool Extension::start() {
  if (auto here = check_not_forked(); !here) {
    post_error(shared_.element, here.error());
    return false;
  }
  auto settings = *settings_.lock();
  settings.source.instance = instance_;
  GST_DEBUG_OBJECT(shared_.element, "start, join=%s",
                   std::string(nick(settings.source.join)).c_str());
  arrival_ = {};
  shared_.begin({.settings = std::move(settings),
                 .media = media_,
                 .began_at = std::chrono::steady_clock::now()});
  try {
    generation_ = std::jthread([this] { Generation(shared_).run(); });
  } catch (const std::system_error& error) {
    GST_ELEMENT_ERROR(shared_.element, RESOURCE, NO_SPACE_LEFT,
                      ("There is no thread for the continuation. Nothing was sent, and nothing is "
                       "paid. Run it again where fewer threads are in use."),
                      ("%s", error.what()));
    return false;
  }
  return true;
}

void Extension::unlock() { shared_.interrupt(); }

void Extension::stop() {
  GST_DEBUG_OBJECT(shared_.element, "stop");
  if (generation_.joinable()) generation_.join();
  shared_.end();
}

// --- upstream's threads ---

GstFlowReturn Extension::chain(GstBuffer* buffer) {
  const Owned<GstBuffer> owned(buffer);
  shared_.change([](State& state) { state.upstream_has_begun = true; });
  if (const auto flow = shared_.flow(); flow != GST_FLOW_OK) return flow;
  auto bytes = share(buffer);
  if (bytes.bytes.empty()) return GST_FLOW_OK;
  auto fresh = align(std::move(bytes), buffer);
  if (!fresh) {
    GST_WARNING_OBJECT(shared_.element, "%s", fresh.error().message.c_str());
    shared_.change([](State& state) { state.flow = GST_FLOW_ERROR; });
    post_error(shared_.element, fresh.error());
    return GST_FLOW_ERROR;
  }
  const auto size = fresh->bytes.size();
  if (size == 0) return GST_FLOW_OK;
  if (!shared_.parent.push(std::move(*fresh))) {
    const auto flow = shared_.flow();
    return flow != GST_FLOW_OK ? flow : GST_FLOW_FLUSHING;
  }
  arrival_.received += size;
  return shared_.flow();
}

Result<SharedBytes> Extension::align(SharedBytes bytes, GstBuffer* buffer) {
  auto& [received, next, restarts] = arrival_;
  if (!restarts) return bytes;
  const auto begin = GST_BUFFER_OFFSET_IS_VALID(buffer) ? GST_BUFFER_OFFSET(buffer) : next;
  next = begin + bytes.bytes.size();
  if (begin > received) {
    return fail({.code = ErrorCode::bad_media,
                 .message = "A seek upstream skipped the bytes " + std::to_string(received) +
                            " to " + std::to_string(begin - 1) +
                            " of the video that comes in, and a film needs all bytes. The seek "
                            "does not affect the continuation's task: the same line again, without "
                            "the seek, continues with that task and does not pay for it again.",
                 .task_id = snapshot().job.task_id});
  }
  const auto old = std::min<guint64>(received - begin, bytes.bytes.size());
  if (old > 0) {
    GST_LOG_OBJECT(shared_.element,
                   "%" G_GUINT64_FORMAT " bytes at %" G_GUINT64_FORMAT " came before", old, begin);
  }
  bytes.bytes = bytes.bytes.subspan(static_cast<std::size_t>(old));
  return bytes;
}

void Extension::take_segment(const GstSegment& segment) {
  GST_DEBUG_OBJECT(shared_.element, "segment of %s from %" G_GUINT64_FORMAT,
                   gst_format_get_name(segment.format), segment.start);
  // A segment in another format contains no offset in bytes.
  if (segment.format != GST_FORMAT_BYTES) return;
  arrival_.restarts = arrival_.restarts || arrival_.received > 0;
  arrival_.next = segment.start;
}

void Extension::begin_flush() {
  GST_DEBUG_OBJECT(shared_.element, "upstream flushes");
  shared_.change([](State& state) { state.is_flushing = true; });
  shared_.parent.set_flushing(true);
}

void Extension::end_flush() {
  GST_DEBUG_OBJECT(shared_.element, "upstream's flush ends; %" G_GUINT64_FORMAT " bytes stay",
                   arrival_.received);
  shared_.change([](State& state) { state.is_flushing = false; });
  shared_.parent.set_flushing(false);
  arrival_.restarts = true;
  arrival_.next = 0;
}

void Extension::on_eos() {
  end_upstream();
  const bool is_behind_error = shared_.get(
      [](const State& state) { return state.has_failed_parent() && state.film_has_ended; });
  if (is_behind_error) gst_pad_push_event(shared_.src, gst_event_new_eos());
}

void Extension::end_upstream() {
  GST_DEBUG_OBJECT(shared_.element, "upstream has ended");
  shared_.change([](State& state) {
    state.upstream_has_begun = true;
    state.upstream_has_ended = true;
  });
  shared_.parent.end();
}

void Extension::take_upstream(TaskEvent task) {
  GST_DEBUG_OBJECT(shared_.element, "upstream is step %u: task %s, %s, with %zu steps", task.step,
                   task.task_id.c_str(), std::string(nick(task.status)).c_str(), task.steps.size());
  shared_.change([&task](State& state) {
    // An out-of-band event may have overtaken this event.
    if (state.upstream && task.is_older_than(*state.upstream)) return;
    state.upstream = std::move(task);
  });
}

void Extension::take_upstream_tags(ClipTags tags) {
  GST_DEBUG_OBJECT(shared_.element, "upstream's tags have a date: %s, a description: %s",
                   tags.date.empty() ? "no" : "yes", tags.description.empty() ? "no" : "yes");
  shared_.change([&tags](State& state) { state.upstream_tags = std::move(tags); });
}

bool Extension::drain() {
  const bool is_last = shared_.get([](const State& state) { return state.has_failed_parent(); });
  GST_DEBUG_OBJECT(shared_.element, "DRAIN, of a parent that %s", is_last ? "failed" : "goes on");
  if (!is_last) return false;
  end_upstream();
  const bool is_over = shared_.wait_for(
      [](const State& state) { return state.film_has_ended || state.is_flushing; });
  return is_over && shared_.get([](const State& state) { return state.film_has_ended; });
}

// --- the src pad's thread ---

void Extension::give_film() { FilmOutput(shared_).run(); }

}  // namespace veo::plugin
