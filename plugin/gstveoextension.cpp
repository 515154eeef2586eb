// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstveoextension.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "gstveoerror.h"
#include "veo/core/task_id.h"
#include "veo/media/pictures.h"

GST_DEBUG_CATEGORY(gst_veo_extend_debug);
#define GST_CAT_DEFAULT gst_veo_extend_debug

namespace veo::plugin {

namespace {

const char* nick_of(Join join) {
  static const char* const nicks[] = {"auto", "append", "replace"};
  return nicks[static_cast<int>(join)];
}

/// A buffer's bytes, for as long as anybody needs them. Empty: they cannot be read.
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

GstBuffer* wrap(media::Bytes bytes, guint64 offset) {
  auto owner = std::make_unique<media::Bytes>(std::move(bytes));
  auto* const data = owner->data();
  const auto size = owner->size();
  auto* buffer =
      gst_buffer_new_wrapped_full(GstMemoryFlags{}, data, size, 0, size, owner.release(),
                                  [](gpointer held) { delete static_cast<media::Bytes*>(held); });
  GST_BUFFER_OFFSET(buffer) = offset;
  GST_BUFFER_OFFSET_END(buffer) = offset + size;
  return buffer;
}

}  // namespace

bool Extension::set_property(guint id, const GValue* value) {
  const std::lock_guard lock(mutex_);
  return plugin::set_property(settings_, id, value);
}

bool Extension::get_property(guint id, GValue* value) const {
  const std::lock_guard lock(mutex_);
  return plugin::get_property(settings_, id, value);
}

Source::Snapshot Extension::snapshot() const {
  const auto source = current();
  return source ? source->snapshot() : Source::Snapshot{};
}

// --- state changes ---

Extension::~Extension() { unlock(); }

bool Extension::start() {
  started_at_ = std::chrono::steady_clock::now();
  {
    const std::lock_guard lock(mutex_);
    run_ = {.settings = settings_, .join = settings_.source.join};
    run_.settings.source.instance = instance_;
  }
  film_ = {};
  arrival_ = {};
  parent_.reset();
  wakeup_->resume();
  try {
    generation_ = std::jthread([this] { generate(); });
  } catch (const std::system_error& error) {
    GST_ELEMENT_ERROR(element_, RESOURCE, NO_SPACE_LEFT,
                      ("There is no thread for the continuation. Nothing was sent, and nothing is "
                       "charged. Run it again where fewer threads are in use."),
                      ("%s", error.what()));
    return false;
  }
  return true;
}

void Extension::unlock() {
  wakeup_->interrupt();
  parent_.interrupt();
}

void Extension::stop() {
  if (generation_.joinable()) generation_.join();
  if (reporter_) reporter_->canceled();
  reporter_.reset();
  std::shared_ptr<Source> gone;
  const std::lock_guard lock(mutex_);
  gone = std::exchange(run_.source, nullptr);
}

// --- upstream's threads ---

GstFlowReturn Extension::chain(GstBuffer* buffer) {
  const std::unique_ptr<GstBuffer, decltype(&gst_buffer_unref)> owned(buffer, gst_buffer_unref);
  change([](Run& run) { run.upstream_began = true; });
  if (const auto flow = flow_of_film(); flow != GST_FLOW_OK) return flow;
  auto bytes = share(buffer);
  if (bytes.bytes.empty()) return GST_FLOW_OK;
  auto fresh = align(std::move(bytes), buffer);
  if (!fresh) {
    change([](Run& run) { run.flow = GST_FLOW_ERROR; });
    post_error(element_, fresh.error());
    return GST_FLOW_ERROR;
  }
  const auto size = fresh->bytes.size();
  if (size == 0) return GST_FLOW_OK;
  if (!parent_.push(std::move(*fresh))) return GST_FLOW_FLUSHING;
  arrival_.received += size;
  return flow_of_film();
}

Result<SharedBytes> Extension::align(SharedBytes bytes, GstBuffer* buffer) {
  auto& [received, next, restarts] = arrival_;
  if (!restarts) return bytes;
  const auto begin = GST_BUFFER_OFFSET_IS_VALID(buffer) ? GST_BUFFER_OFFSET(buffer) : next;
  next = begin + bytes.bytes.size();
  if (begin > received) {
    return fail({.code = ErrorCode::bad_media,
                 .message = "Bytes " + std::to_string(received) + " to " +
                            std::to_string(begin - 1) +
                            " of the video that comes in were left out by a seek upstream, and a "
                            "film needs all of them. The continuation's task is not touched: the "
                            "same line again, without that seek, goes on with it and pays nothing "
                            "again.",
                 .task_id = snapshot().job.task_id});
  }
  const auto old = std::min<guint64>(received - begin, bytes.bytes.size());
  bytes.bytes = bytes.bytes.subspan(static_cast<std::size_t>(old));
  return bytes;
}

void Extension::take_segment(const GstSegment& segment) {
  // Of another format, it says nothing of bytes.
  if (segment.format != GST_FORMAT_BYTES) return;
  arrival_.restarts = arrival_.restarts || arrival_.received > 0;
  arrival_.next = segment.start;
}

void Extension::begin_flush() {
  change([](Run& run) { run.flushing = true; });
  parent_.set_flushing(true);
}

void Extension::end_flush() {
  change([](Run& run) { run.flushing = false; });
  parent_.set_flushing(false);
  arrival_.restarts = true;
  arrival_.next = 0;
}

void Extension::upstream_ended() {
  change([](Run& run) {
    run.upstream_began = true;
    run.upstream_ended = true;
  });
  parent_.end();
}

void Extension::take_upstream(TaskEvent task) {
  change([&task](Run& run) {
    // Out of band it may have been ahead of what comes in order.
    if (run.upstream && task.is_older_than(*run.upstream)) return;
    run.upstream = std::move(task);
  });
}

bool Extension::drain() {
  if (!look().has_failed_parent()) return false;
  upstream_ended();
  return wait_for([](const Run& run) { return run.film_ended || run.flushing; }) &&
         look().film_ended;
}

// --- the src pad's thread ---

void Extension::film() {
  const auto made = make_film();
  // A demuxer that has seen its last sample says EOS itself, and waits for ours.
  if (made || flow_of_film() == GST_FLOW_EOS) {
    gst_pad_push_event(src_, gst_event_new_eos());
  } else if (!is_interrupted() && flow_of_film() == GST_FLOW_OK) {
    if (!look().has_failed_parent()) fail_with(made.error());
    change([](Run& run) { run.flow = GST_FLOW_ERROR; });
    parent_.discard();
  }
  change([](Run& run) { run.film_ended = true; });
}

Extension::Run Extension::look() const {
  const std::lock_guard lock(mutex_);
  return run_;
}

std::shared_ptr<Source> Extension::current() const {
  const std::lock_guard lock(mutex_);
  return run_.source;
}

GstFlowReturn Extension::flow_of_film() const {
  const std::lock_guard lock(mutex_);
  return run_.flow;
}

bool Extension::is_interrupted() const { return wakeup_->is_interrupted(); }

// --- the generation's thread ---

void Extension::generate() {
  auto outcome = run_generation();
  if (outcome || is_interrupted()) return;
  // An open PROGRESS would keep a pipeline that is to take the parent's part out of PLAYING.
  if (reporter_) reporter_->failed(outcome.error());
  change([&outcome](Run& run) {
    run.phase = Phase::failed;
    run.error = std::move(outcome.error());
  });
}

Status Extension::run_generation() {
  auto settings = look().settings;
  if (settings.uri_error) return fail(*settings.uri_error);
  if (auto found = find_parent(settings.source); !found) return found;
  reporter_.emplace(
      element_, settings.source,
      look().join == Join::append ? Reporter::Setting::background : Reporter::Setting::playback);
  auto opened = Source::open(settings.source, wakeup_);
  if (!opened) return interrupted();
  if (!*opened) return fail(std::move(opened->error()));
  const std::shared_ptr<Source> source = std::move(**opened);
  change([&source](Run& run) {
    run.source = source;
    run.phase = Phase::running;
  });
  reporter_->update(source->snapshot());
  source->start();
  if (settings.source.dry_run) {
    change([](Run& run) { run.phase = Phase::planned; });
    return {};
  }
  if (auto done = await_completion(*source); !done) return done;
  return plan(settings.source, source);
}

Status Extension::find_parent(Options& settings) {
  auto& parent = settings.request.extend_task_id;
  if (settings.dry_run) {
    // Its price does not depend on it.
    if (!parent) parent = "parent";
    return {};
  }
  const bool is_named = parent || !settings.task_id.empty();
  const bool here = wait_for([is_named](const Run& run) {
    const bool is_completed = run.upstream && run.upstream->status == TaskStatus::completed;
    return is_completed || run.has_failed_parent() || run.upstream_ended ||
           (run.upstream_began && !run.upstream) || (is_named && run.upstream);
  });
  if (!here) return interrupted();
  const auto run = look();
  if (run.has_failed_parent()) return parent_failed();
  if (!run.upstream) {
    if (!is_named) {
      return fail({.code = ErrorCode::invalid_request,
                   .message = "There is no task to continue: upstream is no veosrc or veoextend. "
                              "Set extend-task-id to the task whose video comes in."});
    }
    // Nothing is paid for what could not be joined.
    const auto format = media::probe(parent_);
    if (!format) return fail(format.error());
  } else if (!is_named) {
    if (run.upstream->task_id.empty()) {
      return fail({.code = ErrorCode::invalid_request,
                   .message = "The stream ended before the task to continue was completed."});
    }
    parent = run.upstream->task_id;
    settings.parent_upstream_id = run.upstream->upstream_id;
  }
  return {};
}

Status Extension::await_completion(const Source& source) {
  for (;;) {
    const auto ticket = wakeup_->ticket();
    const auto seen = source.snapshot();
    reporter_->update(seen);
    notify_task_id(seen.job.task_id);
    if (seen.job.error) return fail(*seen.job.error);
    if (seen.job.phase == Job::Phase::completed) {
      TaskEvent event{
          .task_id = seen.job.task_id, .status = TaskStatus::completed, .step = look().step()};
      if (seen.job.report) event.upstream_id = seen.job.report->upstream_task_id.value_or("");
      change([](Run& run) { run.phase = Phase::completed; });
      announce(std::move(event));
      return {};
    }
    if (!wakeup_->wait(ticket)) return interrupted();
  }
}

Status Extension::plan(const Options& settings, const std::shared_ptr<Source>& source) {
  const auto open = [this, &settings](const std::string& id) {
    return SourceStream::open_task(settings, id, wakeup_);
  };
  SourceStream file(source, wakeup_);
  const auto frames = media::count_frames(file);
  if (!frames) return fail(explain(frames.error()));
  auto steps = steps_of_parent(settings, open);
  if (!steps) return fail(std::move(steps.error()));
  const auto found = find_beginning(*steps, look().join, parent_, file, *frames, open);
  if (!found) return fail(found.error());
  const auto first = *found;
  steps->push_back({.task_id = source->snapshot().job.task_id, .first = first, .frames = *frames});
  tell_join(first == steps->size() - 1 ? Join::append : Join::replace, *steps);
  change([&](Run& run) {
    run.phase = Phase::planned;
    run.first = first;
    run.steps = *steps;
  });
  auto event = *look().announced;
  event.steps = std::move(*steps);
  announce(std::move(event));
  return {};
}

Result<FilmSteps> Extension::steps_of_parent(const Options& settings, const OpenTask& open) {
  const bool here = wait_for([](const Run& run) {
    return !run.upstream || run.upstream->step == 1 || !run.upstream->steps.empty() ||
           run.has_failed_parent();
  });
  if (!here) return interrupted();
  const auto run = look();
  if (run.has_failed_parent()) return parent_failed();
  if (run.upstream && !run.upstream->steps.empty()) return run.upstream->steps;
  const auto id =
      run.upstream ? run.upstream->task_id : settings.request.extend_task_id.value_or("");
  FilmSteps steps{{.task_id = id}};
  if (run.join == Join::automatic) {
    const auto format = media::probe(parent_);
    if (!format) return fail(format.error());
    steps[0].frames = format->frames.value_or(0);
  }
  // Its own file: that of a foreign stream may be something else.
  if (steps[0].frames == 0 && run.upstream) {
    auto opened = open(id);
    if (!opened) return fail(std::move(opened.error()));
    const auto frames = media::count_frames(**opened);
    if (!frames) return fail(frames.error());
    steps[0].frames = *frames;
  }
  return steps;
}

void Extension::tell_join(Join decided, const FilmSteps& steps) {
  const auto& own = steps.back();
  GST_INFO_OBJECT(element_, "%s: %s", nick_of(decided), to_text(steps).c_str());
  gst_element_post_message(
      element_, gst_message_new_element(
                    GST_OBJECT(element_),
                    gst_structure_new("veo-join",                                     //
                                      "join", G_TYPE_STRING, nick_of(decided),        //
                                      "task-id", G_TYPE_STRING, own.task_id.c_str(),  //
                                      "frames", G_TYPE_UINT64, guint64{own.frames},   //
                                      "contained-steps", G_TYPE_UINT,
                                      static_cast<guint>(steps.size() - 1 - own.first), nullptr)));
}

void Extension::notify_task_id(const std::string& id) {
  if (id == notified_task_id_) return;
  notified_task_id_ = id;
  g_object_notify(G_OBJECT(element_), "task-id");
}

void Extension::announce(TaskEvent event) {
  gst_pad_push_event(src_, make_task_event(GST_EVENT_CUSTOM_DOWNSTREAM_OOB, event));
  change([&event](Run& run) {
    if (run.announced && event.is_older_than(*run.announced)) return;
    run.announced = std::move(event);
  });
}

tl::unexpected<Error> Extension::interrupted() {
  return fail({.code = ErrorCode::network, .message = "The wait was interrupted."});
}

tl::unexpected<Error> Extension::parent_failed() {
  return fail({.code = ErrorCode::task_failed, .message = "The step before failed."});
}

Error Extension::explain(Error error) const {
  if (error.code != ErrorCode::bad_media || !error.task_id.empty()) return error;
  error.task_id = snapshot().job.task_id;
  error.charged = Charged::unknown;
  error.message = "The video of task " + error.task_id + " cannot be joined: " + error.message +
                  " It is complete and paid: veosrc " + task_property(error.task_id) +
                  " plays it by itself.";
  return error;
}

// --- the film's thread ---

Status Extension::make_film() {
  const auto join = look().join;
  // What upstream is, and whether it can be continued, comes first.
  const bool known = wait_for([join](const Run& run) {
    const auto enough = join == Join::append ? Phase::running : Phase::completed;
    return run.phase >= enough || run.has_failed_parent();
  });
  if (!known) return interrupted();
  if (look().settings.source.dry_run) {
    parent_.discard();
    const bool over =
        wait_for([](const Run& run) { return run.upstream_ended || run.error.has_value(); });
    if (!over) return interrupted();
    return outcome();
  }
  if (join == Join::append) {
    announce_pending();
  } else {
    // Who comes next need not wait for what this file contains.
    if (auto done = push_events(); !done) return done;
    if (!await_plan()) return interrupted();
    const auto run = look();
    const bool is_planned = run.phase == Phase::planned && !run.has_failed_parent();
    if (is_planned && run.first < run.steps.size() - 1) {
      return film_without_parent(run);
    }
  }
  const auto added = add(parent_);
  if (!await_plan()) return interrupted();
  const auto run = look();
  if (!added) return run.phase == Phase::failed && film_.bytes == 0 ? outcome() : added;
  if (run.has_failed_parent()) return end_early(parent_failed().value());
  if (run.phase == Phase::failed) return end_early(*run.error);
  SourceStream file(run.source, wakeup_);
  if (auto done = add(file); !done) return end_early(explain(done.error()));
  return finish();
}

bool Extension::await_plan() {
  return wait_for(
      [](const Run& run) { return run.phase >= Phase::planned || run.has_failed_parent(); });
}

Status Extension::outcome() const {
  auto run = look();
  if (run.error) return fail(std::move(*run.error));
  return {};
}

Status Extension::film_without_parent(const Run& run) {
  parent_.discard();
  const auto before = files_of(run.steps, run.first);
  if (before.empty()) return pass_through(run.source);
  for (const auto& id : before) {
    auto opened = SourceStream::open_task(run.settings.source, id, wakeup_);
    if (!opened) return fail(std::move(opened.error()));
    if (auto done = add(**opened); !done) return done;
  }
  SourceStream file(run.source, wakeup_);
  if (auto done = add(file); !done) return end_early(explain(done.error()));
  return finish();
}

Status Extension::pass_through(const std::shared_ptr<Source>& source) {
  SourceStream file(source, wakeup_);
  for (;;) {
    media::Bytes bytes(std::size_t{256} << 10U);
    const auto got = file.read(film_.bytes, bytes);
    if (!got) return fail(got.error());
    if (*got == 0) return {};
    bytes.resize(*got);
    if (auto done = push(std::move(bytes)); !done) return done;
  }
}

Status Extension::add(media::ByteStream& clip) {
  if (!film_.joiner) film_.joiner = std::make_unique<media::Joiner>();
  if (auto done = film_.joiner->append(clip); !done) return done;
  for (;;) {
    auto piece = film_.joiner->read();
    if (!piece) return fail(std::move(piece.error()));
    if (piece->empty()) return {};
    if (auto done = push(std::move(*piece)); !done) return done;
  }
}

Status Extension::finish() {
  auto rest = film_.joiner->finish();
  if (!rest) return fail(std::move(rest.error()));
  if (rest->empty()) return push_events();
  return push(std::move(*rest));
}

Status Extension::end_early(Error error) {
  if (is_interrupted()) return interrupted();
  auto failed = look().announced.value_or(TaskEvent{.step = look().step()});
  failed.status = TaskStatus::failed;
  if (auto done = finish(); !done) return done;
  announce(failed);
  if (auto done = push_events(); !done) return done;
  const std::unique_ptr<GstQuery, decltype(&gst_query_unref)> drain(gst_query_new_drain(),
                                                                    gst_query_unref);
  gst_pad_peer_query(src_, drain.get());
  return fail(std::move(error));
}

void Extension::announce_pending() {
  change([](Run& run) {
    if (!run.announced) run.announced = {.status = TaskStatus::pending, .step = run.step()};
  });
}

Status Extension::push_events() {
  if (!film_.is_open) {
    film_.is_open = true;
    const std::unique_ptr<char, decltype(&g_free)> id(
        gst_pad_create_stream_id(src_, element_, "film"), g_free);
    gst_pad_push_event(src_, gst_event_new_stream_start(id.get()));
    auto* const caps = gst_pad_get_pad_template_caps(src_);
    gst_pad_push_event(src_, gst_event_new_caps(caps));
    gst_caps_unref(caps);
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_BYTES);
    gst_pad_push_event(src_, gst_event_new_segment(&segment));
  }
  const auto announced = look().announced;
  if (!announced || announced == film_.announced) return {};
  const bool is_new = !film_.announced || film_.announced->task_id != announced->task_id;
  film_.announced = announced;
  gst_pad_push_event(src_, make_task_event(GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, *announced));
  if (is_new && !announced->task_id.empty()) {
    const auto settings = look().settings;
    gst_pad_push_event(
        src_, make_task_tags(announced->task_id,
                             settings.source.prompt_tag ? settings.source.request.prompt : ""));
  }
  return {};
}

Status Extension::push(media::Bytes bytes) {
  if (auto done = push_events(); !done) return done;
  if (film_.bytes == 0 && current() && look().phase == Phase::planned) {
    reporter_->streaming(current()->snapshot());
  }
  const auto size = bytes.size();
  const auto flow = gst_pad_push(src_, wrap(std::move(bytes), film_.bytes));
  film_.bytes += size;
  if (flow == GST_FLOW_OK) return {};
  change([flow](Run& run) { run.flow = flow; });
  parent_.discard();
  if (flow == GST_FLOW_NOT_LINKED || flow < GST_FLOW_EOS) post_flow_error(flow);
  return interrupted();
}

void Extension::fail_with(Error error) {
  if (!wakeup_->pause(started_at_ + first_error_after)) return;
  const auto step = look().step();
  error.message =
      "Step " + std::to_string(step) + " of the film failed: " + error.message +
      (film_.bytes > 0 ? " The film up to step " + std::to_string(step - 1) + " is whole." : "") +
      " The same line again goes on with this step, and pays no other one again.";
  post_error(element_, error);
}

}  // namespace veo::plugin
