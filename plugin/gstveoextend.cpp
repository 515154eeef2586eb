// SPDX-License-Identifier: LGPL-2.1-or-later

/**
 * SECTION:element-veoextend
 * @title: veoextend
 * @short_description: continues a generated video, as one film
 *
 * veoextend continues the video of the task whose MP4 comes in, by a task of its own, and gives out
 * both as one film: fragmented MP4, exact to the frame and the sample, without re-encoding. **Each
 * step costs credits.** Its task is submitted the moment the one before is completed, while that
 * one may still be playing.
 *
 * The task to continue is that of the veosrc or veoextend upstream, or
 * #GstVeoExtend:extend-task-id. What the service delivers may hold the continuation alone, or what
 * it continues as well: #GstVeoExtend:join says what to do, and tells what it found by a `veo-join`
 * element message.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 veosrc prompt="a dog in a park" ! veoextend prompt="it finds a ball" ! veoextend
 * prompt="it brings the ball back" ! filesink location=film.mp4
 * ]| A film of three shots. The same line again costs nothing.
 * |[
 * gst-launch-1.0 veosrc prompt="a dog in a park" ! veoextend prompt="it finds a ball" join=append !
 * decodebin ! videoconvert ! autovideosink
 * ]| Play the first shot while the second one is being generated.
 * |[
 * gst-launch-1.0 filesrc location=dog.mp4 ! veoextend
 * extend-task-id=cbf6b69d-4f03-4817-8ed7-94c0292184a8 prompt="it finds a ball" ! filesink
 * location=film.mp4
 * ]| Continue a file whose task is known.
 *
 * Since: 0.1
 */

#include "gstveoextend.h"

#include <chrono>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "gstveoenums.h"
#include "gstveoerror.h"
#include "gstveoevent.h"
#include "gstveoproperties.h"
#include "gstveoreporter.h"
#include "veo/client/film.h"
#include "veo/client/source.h"
#include "veo/client/streams.h"
#include "veo/media/join.h"
#include "veo/media/pictures.h"

GST_DEBUG_CATEGORY_STATIC(gst_veo_extend_debug);
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

/// What veoextend does, free of GObject. Three threads meet here:
///
///   upstream's             bytes ──► parent_ ─────────────────────────┐
///                          `veo-task` ──► upstream_                   │
///   the generation's       waits for the parent's task, submits ours, │ finds out what its file
///                          and tells of it, whatever the stream does  │ contains: plan_
///   the film's (src pad)   ◄──────────────────────────────────────────┘ reads and pushes
class VeoExtend {
 public:
  VeoExtend(GstElement* element, GstPad* src) : element_(element), src_(src) {}

  bool set_property(guint id, const GValue* value) {
    const std::lock_guard lock(mutex_);
    return plugin::set_property(settings_, id, value);
  }
  bool get_property(guint id, GValue* value) const {
    const std::lock_guard lock(mutex_);
    return plugin::get_property(settings_, id, value);
  }
  void set_join(Join join) {
    const std::lock_guard lock(mutex_);
    join_ = join;
  }
  [[nodiscard]] Join join() const {
    const std::lock_guard lock(mutex_);
    return join_;
  }

  [[nodiscard]] Source::Snapshot snapshot() const {
    const auto source = current();
    return source ? source->snapshot() : Source::Snapshot{};
  }

  // --- state changes ---

  void start() {
    started_at_ = std::chrono::steady_clock::now();
    {
      const std::lock_guard lock(mutex_);
      run_ = {.settings = settings_, .join = join_};
      if (!settings_.reuse) run_.settings.source.instance = instance_;
    }
    film_ = {};
    parent_.reset();
    wakeup_->resume();
    generation_ = std::thread([this] { generate(); });
  }

  /// Ends all waits; the job goes on.
  void unlock() {
    wakeup_->interrupt();
    parent_.interrupt();
  }

  /// The streaming threads have ended.
  void stop() {
    if (generation_.joinable()) generation_.join();
    if (reporter_) reporter_->canceled();
    reporter_.reset();
    std::shared_ptr<Source> gone;
    const std::lock_guard lock(mutex_);
    gone = std::exchange(run_.source, nullptr);
  }

  // --- upstream's threads ---

  GstFlowReturn chain(GstBuffer* buffer) {
    const std::unique_ptr<GstBuffer, decltype(&gst_buffer_unref)> owned(buffer, gst_buffer_unref);
    change([](Run& run) { run.upstream_began = true; });
    if (const auto flow = flow_of_film(); flow != GST_FLOW_OK) return flow;
    auto bytes = share(buffer);
    if (bytes.bytes.empty()) return GST_FLOW_OK;
    if (!parent_.push(std::move(bytes))) return GST_FLOW_FLUSHING;
    return flow_of_film();
  }

  void upstream_ended() {
    change([](Run& run) {
      run.upstream_began = true;
      run.upstream_ended = true;
    });
    parent_.end();
  }

  void take_upstream(TaskEvent task) {
    change([&task](Run& run) {
      // Out of band it may have been ahead of what comes in order.
      if (run.upstream && run.upstream->step == task.step &&
          (run.upstream->status > task.status || run.upstream->steps.size() > task.steps.size())) {
        return;
      }
      run.upstream = std::move(task);
    });
  }

  /// A DRAIN query: true once all that came is with downstream. Only of a parent that failed.
  bool drain() {
    if (!look().has_failed_parent()) return false;
    upstream_ended();
    return wait_for([](const Run& run) { return run.film_ended; });
  }

  // --- the src pad's thread ---

  /// From the first byte to the last, once.
  void film() {
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

 private:
  enum class Phase { waiting, running, completed, planned, failed };

  /// All that there is to know of one run from READY to READY.
  struct Run {
    ElementSettings settings;
    Join join = Join::automatic;
    std::optional<TaskEvent> upstream;
    bool upstream_began = false;  // a buffer, or the end
    bool upstream_ended = false;
    Phase phase = Phase::waiting;
    std::shared_ptr<Source> source;
    std::optional<Error> error;          // set iff failed
    std::optional<TaskEvent> announced;  // what downstream is to know
    std::size_t first = 0;               // where our file begins: an index of `steps`
    FilmSteps steps;                     // ours last
    GstFlowReturn flow = GST_FLOW_OK;    // downstream's
    bool film_ended = false;

    [[nodiscard]] bool has_failed_parent() const {
      return upstream && upstream->status == TaskStatus::failed;
    }
    [[nodiscard]] guint step() const { return upstream ? upstream->step + 1 : 2; }
  };

  [[nodiscard]] Run look() const {
    const std::lock_guard lock(mutex_);
    return run_;
  }
  template <class Change>
  void change(Change change) {
    {
      const std::lock_guard lock(mutex_);
      change(run_);
    }
    wakeup_->notify();
  }
  /// False: interrupted.
  template <class Condition>
  bool wait_for(Condition condition) {
    for (;;) {
      const auto ticket = wakeup_->ticket();
      {
        const std::lock_guard lock(mutex_);
        if (condition(run_)) return true;
      }
      if (!wakeup_->wait(ticket)) return false;
    }
  }
  [[nodiscard]] std::shared_ptr<Source> current() const {
    const std::lock_guard lock(mutex_);
    return run_.source;
  }
  [[nodiscard]] GstFlowReturn flow_of_film() const {
    const std::lock_guard lock(mutex_);
    return run_.flow;
  }
  [[nodiscard]] bool is_interrupted() const {
    return !wakeup_->pause(std::chrono::steady_clock::now());
  }

  // --- the generation's thread ---

  void generate() {
    auto outcome = run_generation();
    if (outcome || is_interrupted()) return;
    // An open PROGRESS would keep a pipeline that is to take the parent's part out of PLAYING.
    if (reporter_) reporter_->failed(outcome.error());
    change([&outcome](Run& run) {
      run.phase = Phase::failed;
      run.error = std::move(outcome.error());
    });
  }

  Status run_generation() {
    auto settings = look().settings;
    if (settings.uri_error) return fail(*settings.uri_error);
    if (auto found = find_parent(settings.source); !found) return found;
    reporter_.emplace(
        element_, settings.source,
        look().join == Join::append ? Reporter::Setting::background : Reporter::Setting::playback);
    auto opened = Source::open(settings.source, wakeup_);
    if (!opened) return fail(std::move(opened.error()));
    const std::shared_ptr<Source> source = std::move(*opened);
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

  /// Waits until it is known which task to continue, and that it can be.
  Status find_parent(Source::Settings& settings) {
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

  Status await_completion(const Source& source) {
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

  /// Finds out what the task's file contains, and what the film is made of.
  Status plan(const Source::Settings& settings, const std::shared_ptr<Source>& source) {
    const auto open = [this, &settings](const std::string& id) { return open_task(settings, id); };
    SourceStream file(source, wakeup_);
    const auto frames = media::count_frames(file);
    if (!frames) return fail(explain(frames.error()));
    auto steps = steps_of_parent(settings, open);
    if (!steps) return fail(std::move(steps.error()));
    const auto join = look().join;
    auto first = join == Join::append ? steps->size() : 0;
    if (join == Join::automatic) {
      auto found = find_beginning(*steps, parent_, file, *frames, open);
      if (!found) return fail(std::move(found.error()));
      first = *found;
    }
    const auto id = source->snapshot().job.task_id;
    steps->push_back({.task_id = id, .first = first, .frames = *frames});
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

  /// The steps of the film that comes in, with their frames as far as they can be known.
  Result<FilmSteps> steps_of_parent(const Source::Settings& settings, const OpenTask& open) {
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

  void tell_join(Join decided, const FilmSteps& steps) {
    const auto& own = steps.back();
    GST_INFO_OBJECT(element_, "%s: %s", nick_of(decided), to_text(steps).c_str());
    gst_element_post_message(
        element_,
        gst_message_new_element(
            GST_OBJECT(element_),
            gst_structure_new("veo-join",                                     //
                              "join", G_TYPE_STRING, nick_of(decided),        //
                              "task-id", G_TYPE_STRING, own.task_id.c_str(),  //
                              "frames", G_TYPE_UINT64, guint64{own.frames},   //
                              "contained-steps", G_TYPE_UINT,
                              static_cast<guint>(steps.size() - 1 - own.first), nullptr)));
  }

  void notify_task_id(const std::string& id) {
    if (id == notified_task_id_) return;
    notified_task_id_ = id;
    g_object_notify(G_OBJECT(element_), "task-id");
  }

  /// At once, past what is still on its way; the film's thread sends it in its place, to stay.
  void announce(TaskEvent event) {
    gst_pad_push_event(src_, make_task_event(GST_EVENT_CUSTOM_DOWNSTREAM_OOB, event));
    change([&event](Run& run) { run.announced = std::move(event); });
  }

  /// Another task's file.
  Result<std::unique_ptr<media::ByteStream>> open_task(const Source::Settings& ours,
                                                       const std::string& id) {
    auto settings = ours;
    settings.request = {};
    settings.task_id = id;
    settings.layout = Source::LayoutMode::streamable;
    settings.callback_listen.clear();
    auto opened = Source::open(std::move(settings), wakeup_);
    if (!opened) return fail(std::move(opened.error()));
    (*opened)->start();
    return std::make_unique<SourceStream>(std::move(*opened), wakeup_);
  }

  static tl::unexpected<Error> interrupted() {
    return fail({.code = ErrorCode::network, .message = "The wait was interrupted."});
  }
  static tl::unexpected<Error> parent_failed() {
    return fail({.code = ErrorCode::task_failed, .message = "The step before failed."});
  }

  /// A fault of what the service delivered, with what is to be known of it.
  [[nodiscard]] Error explain(Error error) const {
    if (error.code != ErrorCode::bad_media || !error.task_id.empty()) return error;
    error.task_id = snapshot().job.task_id;
    error.charged = Charged::unknown;
    error.message = "The video of task " + error.task_id + " cannot be joined: " + error.message +
                    " It is complete and paid: veosrc task-id=" + error.task_id +
                    " plays it by itself.";
    return error;
  }

  // --- the film's thread ---

  Status make_film() {
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

  bool await_plan() {
    return wait_for(
        [](const Run& run) { return run.phase >= Phase::planned || run.has_failed_parent(); });
  }

  [[nodiscard]] Status outcome() const {
    auto run = look();
    if (run.error) return fail(std::move(*run.error));
    return {};
  }

  /// Our file contains some of what comes in, if not all of it.
  Status film_without_parent(const Run& run) {
    parent_.discard();
    const auto before = files_of(run.steps, run.first);
    if (before.empty()) return pass_through(run.source);
    for (const auto& id : before) {
      auto opened = open_task(run.settings.source, id);
      if (!opened) return fail(std::move(opened.error()));
      if (auto done = add(**opened); !done) return done;
    }
    SourceStream file(run.source, wakeup_);
    if (auto done = add(file); !done) return end_early(explain(done.error()));
    return finish();
  }

  Status pass_through(const std::shared_ptr<Source>& source) {
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

  Status add(media::ByteStream& clip) {
    if (!film_.joiner) film_.joiner = std::make_unique<media::Joiner>();
    if (auto done = film_.joiner->append(clip); !done) return done;
    for (;;) {
      auto piece = film_.joiner->read();
      if (!piece) return fail(std::move(piece.error()));
      if (piece->empty()) return {};
      if (auto done = push(std::move(*piece)); !done) return done;
    }
  }

  Status finish() {
    auto rest = film_.joiner->finish();
    if (!rest) return fail(std::move(rest.error()));
    if (rest->empty()) return push_events();
    return push(std::move(*rest));
  }

  /// The film holds what came before the step that failed, to its last frame. It is with whoever
  /// keeps it before the error is told, which ends the pipeline.
  Status end_early(Error error) {
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

  void announce_pending() {
    change([](Run& run) {
      if (!run.announced) run.announced = {.status = TaskStatus::pending, .step = run.step()};
    });
  }

  /// What downstream has to know ahead of the next byte.
  Status push_events() {
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
      gst_pad_push_event(src_,
                         make_task_tags(announced->task_id,
                                        settings.prompt_tag ? settings.source.request.prompt : ""));
    }
    return {};
  }

  Status push(media::Bytes bytes) {
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

  /// Upstream may have ended, and nobody would tell.
  void post_flow_error(GstFlowReturn flow) { GST_ELEMENT_FLOW_ERROR(element_, flow); }

  void fail_with(Error error) {
    if (!wakeup_->pause(started_at_ + first_error_after)) return;
    const auto step = look().step();
    error.message =
        "Step " + std::to_string(step) + " of the film failed: " + error.message +
        (film_.bytes > 0 ? " The film up to step " + std::to_string(step - 1) + " is whole." : "") +
        " The same line again goes on with this step, and pays no other one again.";
    post_error(element_, error);
  }

  GstElement* const element_;  // owns this
  GstPad* const src_;
  const std::shared_ptr<Wakeup> wakeup_ = std::make_shared<Wakeup>();
  const std::string instance_ = make_instance();
  PushedStream parent_;
  std::chrono::steady_clock::time_point started_at_;

  // The generation's thread's; the film's once that has planned or failed; stop()'s.
  std::thread generation_;
  std::optional<Reporter> reporter_;
  std::string notified_task_id_;

  // The film's thread's.
  struct Film {
    std::unique_ptr<media::Joiner> joiner;
    bool is_open = false;
    std::optional<TaskEvent> announced;
    guint64 bytes = 0;  // pushed
  };
  Film film_;

  mutable std::mutex mutex_;
  ElementSettings settings_;     // guarded by mutex_
  Join join_ = Join::automatic;  // guarded by mutex_
  Run run_;                      // guarded by mutex_
};

}  // namespace veo::plugin

using veo::plugin::VeoExtend;

struct _GstVeoExtend {
  GstElement parent;
  VeoExtend* impl;  // owned: made in init, deleted in finalize
};

G_DEFINE_TYPE(GstVeoExtend, gst_veo_extend, GST_TYPE_ELEMENT)
GST_ELEMENT_REGISTER_DEFINE_WITH_CODE(veoextend, "veoextend", GST_RANK_NONE, GST_TYPE_VEO_EXTEND,
                                      GST_DEBUG_CATEGORY_INIT(gst_veo_extend_debug, "veoextend", 0,
                                                              "veoextend element"))

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE(
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS("video/quicktime"));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS("video/quicktime, variant=(string)iso"));

static guint first_task_property;
static guint join_property;

static VeoExtend& impl(gpointer object) { return *GST_VEO_EXTEND(object)->impl; }

static void gst_veo_extend_set_property(GObject* object, guint id, const GValue* value,
                                        GParamSpec* spec) {
  if (id == join_property) {
    impl(object).set_join(static_cast<veo::Join>(g_value_get_enum(value)));
  } else if (!impl(object).set_property(id, value)) {
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
}

static void gst_veo_extend_get_property(GObject* object, guint id, GValue* value,
                                        GParamSpec* spec) {
  const auto& extend = impl(object);
  if (id == join_property) {
    g_value_set_enum(value, static_cast<int>(extend.join()));
    return;
  }
  const bool got =
      veo::plugin::get_task_property(extend.snapshot(), id - first_task_property, spec, value) ||
      extend.get_property(id, value);
  if (!got) G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
}

static GstFlowReturn gst_veo_extend_chain(GstPad*, GstObject* parent, GstBuffer* buffer) {
  return impl(parent).chain(buffer);
}

static gboolean gst_veo_extend_sink_event(GstPad* pad, GstObject* parent, GstEvent* event) {
  auto& extend = impl(parent);
  if (auto task = veo::plugin::parse_task_event(event)) {
    extend.take_upstream(std::move(*task));
    gst_event_unref(event);
    return TRUE;
  }
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_EOS:
      extend.upstream_ended();
      [[fallthrough]];
    // The film has its own.
    case GST_EVENT_STREAM_START:
    case GST_EVENT_CAPS:
    case GST_EVENT_SEGMENT:
    case GST_EVENT_TAG:
    case GST_EVENT_FLUSH_START:
    case GST_EVENT_FLUSH_STOP:
      gst_event_unref(event);
      return TRUE;
    default:
      return gst_pad_event_default(pad, parent, event);
  }
}

static gboolean gst_veo_extend_sink_query(GstPad* pad, GstObject* parent, GstQuery* query) {
  switch (GST_QUERY_TYPE(query)) {
    case GST_QUERY_DRAIN:
      return impl(parent).drain() ? TRUE : FALSE;
    case GST_QUERY_ALLOCATION:
      return FALSE;
    default:
      return gst_pad_query_default(pad, parent, query);
  }
}

static gboolean gst_veo_extend_src_event(GstPad* pad, GstObject* parent, GstEvent* event) {
  // The film is made once, from front to back.
  if (GST_EVENT_TYPE(event) == GST_EVENT_SEEK) {
    gst_event_unref(event);
    return FALSE;
  }
  return gst_pad_event_default(pad, parent, event);
}

static gboolean gst_veo_extend_src_query(GstPad* pad, GstObject* parent, GstQuery* query) {
  switch (GST_QUERY_TYPE(query)) {
    case GST_QUERY_SCHEDULING:
      gst_query_set_scheduling(
          query,
          static_cast<GstSchedulingFlags>(GST_SCHEDULING_FLAG_SEQUENTIAL |
                                          GST_SCHEDULING_FLAG_BANDWIDTH_LIMITED),
          1, -1, 0);
      gst_query_add_scheduling_mode(query, GST_PAD_MODE_PUSH);
      return TRUE;
    case GST_QUERY_SEEKING:
      gst_query_set_seeking(query, GST_FORMAT_BYTES, FALSE, 0, -1);
      return TRUE;
    case GST_QUERY_DURATION:
    case GST_QUERY_POSITION:
      return FALSE;
    default:
      return gst_pad_query_default(pad, parent, query);
  }
}

static void gst_veo_extend_loop(gpointer pad) {
  auto* const parent = gst_pad_get_parent_element(GST_PAD(pad));
  impl(parent).film();
  gst_pad_pause_task(GST_PAD(pad));
  gst_object_unref(parent);
}

static gboolean gst_veo_extend_activate_src(GstPad* pad, GstObject* parent, GstPadMode mode,
                                            gboolean active) {
  if (mode != GST_PAD_MODE_PUSH) return FALSE;
  if (active != FALSE) return gst_pad_start_task(pad, gst_veo_extend_loop, pad, nullptr);
  impl(parent).unlock();
  return gst_pad_stop_task(pad);
}

static GstStateChangeReturn gst_veo_extend_change_state(GstElement* element,
                                                        GstStateChange transition) {
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) impl(element).start();
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) impl(element).unlock();
  const auto changed =
      GST_ELEMENT_CLASS(gst_veo_extend_parent_class)->change_state(element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) impl(element).stop();
  return changed;
}

static void gst_veo_extend_init(GstVeoExtend* self) {
  auto* const element = GST_ELEMENT(self);
  auto* const sink = gst_pad_new_from_static_template(&sink_template, "sink");
  gst_pad_set_chain_function(sink, gst_veo_extend_chain);
  gst_pad_set_event_function(sink, gst_veo_extend_sink_event);
  gst_pad_set_query_function(sink, gst_veo_extend_sink_query);
  gst_element_add_pad(element, sink);
  auto* const src = gst_pad_new_from_static_template(&src_template, "src");
  gst_pad_set_event_function(src, gst_veo_extend_src_event);
  gst_pad_set_query_function(src, gst_veo_extend_src_query);
  gst_pad_set_activatemode_function(src, gst_veo_extend_activate_src);
  gst_pad_use_fixed_caps(src);
  gst_element_add_pad(element, src);
  self->impl = new VeoExtend(element, src);
}

static void gst_veo_extend_finalize(GObject* object) {
  delete GST_VEO_EXTEND(object)->impl;
  G_OBJECT_CLASS(gst_veo_extend_parent_class)->finalize(object);
}

static void gst_veo_extend_class_init(GstVeoExtendClass* klass) {
  auto* object_class = G_OBJECT_CLASS(klass);
  auto* element_class = GST_ELEMENT_CLASS(klass);
  object_class->set_property = gst_veo_extend_set_property;
  object_class->get_property = gst_veo_extend_get_property;
  object_class->finalize = gst_veo_extend_finalize;
  element_class->change_state = gst_veo_extend_change_state;

  first_task_property = veo::plugin::install_properties(object_class);
  join_property = veo::plugin::install_task_properties(object_class, first_task_property);
  g_object_class_install_property(
      object_class, join_property,
      g_param_spec_enum("join", "Join",
                        "What to do with the continuation, which may contain what it continues",
                        GST_TYPE_VEO_JOIN, 0,
                        static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
                                                 GST_PARAM_MUTABLE_READY)));
  gst_type_mark_as_plugin_api(GST_TYPE_VEO_JOIN, GstPluginAPIFlags{});

  gst_element_class_add_static_pad_template(element_class, &sink_template);
  gst_element_class_add_static_pad_template(element_class, &src_template);
  gst_element_class_set_static_metadata(
      element_class, "Veo extension", "Filter/Network",
      "Continues a generated video by a task of its own (a paid service), as one seamless film",
      "gst-veo");
}
