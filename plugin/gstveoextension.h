// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A continuation and the film that ends with it, free of GObject: what veoextend adapts.
#pragma once

#include <gst/gst.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "gstveoevent.h"
#include "gstveoproperties.h"
#include "gstveoreporter.h"
#include "veo/media/join.h"
#include "veo/source/film.h"
#include "veo/source/source.h"
#include "veo/source/streams.h"
#include "veo/system/wakeup.h"

GST_DEBUG_CATEGORY_EXTERN(gst_veo_extend_debug);

namespace veo::plugin {

/// Three threads meet here:
///
///   upstream's             bytes ──► parent_ ─────────────────────────┐
///                          `veo-task` ──► run_.upstream               │
///   the generation's       waits for the parent's task, submits ours, │ finds out what its file
///                          and tells of it, whatever the stream does  │ contains: run_.steps
///   the film's (src pad)   ◄──────────────────────────────────────────┘ reads and pushes
class Extension {
 public:
  Extension(GstElement* element, GstPad* src) : element_(element), src_(src) {}
  ~Extension();
  Extension(const Extension&) = delete;
  Extension& operator=(const Extension&) = delete;

  bool set_property(guint id, const GValue* value);
  bool get_property(guint id, GValue* value) const;

  [[nodiscard]] Source::Snapshot snapshot() const;

  // --- state changes ---

  /// False: there is no thread for it, which is told.
  [[nodiscard]] bool start();

  /// Ends all waits; the job goes on.
  void unlock();

  /// The streaming threads have ended, and the waits: ends what start() began, if it did.
  void stop();

  // --- upstream's threads ---

  GstFlowReturn chain(GstBuffer* buffer);

  /// Where the bytes that come next are in the parent's file. After the first of them, what came
  /// already comes again.
  void take_segment(const GstSegment& segment);

  void upstream_ended();

  /// A flush: all waits of upstream's threads end, until end_flush(). The job, and what has come of
  /// the parent, stay: what comes again is left out.
  void begin_flush();
  void end_flush();

  void take_upstream(TaskEvent task);

  /// A DRAIN query: true once all that came is with downstream. Only of a parent that failed.
  bool drain();

  // --- the src pad's thread ---

  /// From the first byte to the last, once.
  void film();

 private:
  enum class Phase { waiting, running, completed, planned, failed };

  /// The part of a buffer that did not come before. Fails where some before it never came.
  Result<SharedBytes> align(SharedBytes bytes, GstBuffer* buffer);

  /// All that there is to know of one run from READY to READY.
  struct Run {
    ElementSettings settings;
    Join join = Join::automatic;
    std::optional<TaskEvent> upstream;
    bool upstream_began = false;  // a buffer, or the end
    bool upstream_ended = false;
    bool flushing = false;  // upstream's part
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

  [[nodiscard]] Run look() const;
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
  [[nodiscard]] std::shared_ptr<Source> current() const;
  [[nodiscard]] GstFlowReturn flow_of_film() const;
  [[nodiscard]] bool is_interrupted() const;

  // --- the generation's thread ---

  void generate();

  Status run_generation();

  /// Waits until it is known which task to continue, and that it can be.
  Status find_parent(Options& settings);

  Status await_completion(const Source& source);

  /// Finds out what the task's file contains, and what the film is made of.
  Status plan(const Options& settings, const std::shared_ptr<Source>& source);

  /// The steps of the film that comes in, with their frames as far as they can be known.
  Result<FilmSteps> steps_of_parent(const Options& settings, const OpenTask& open);

  void tell_join(Join decided, const FilmSteps& steps);

  void notify_task_id(const std::string& id);

  /// At once, past what is still on its way; the film's thread sends it in its place, to stay.
  void announce(TaskEvent event);

  static tl::unexpected<Error> interrupted();
  static tl::unexpected<Error> parent_failed();

  /// A fault of what the service delivered, with what is to be known of it.
  [[nodiscard]] Error explain(Error error) const;

  // --- the film's thread ---

  Status make_film();

  bool await_plan();

  [[nodiscard]] Status outcome() const;

  /// Our file contains some of what comes in, if not all of it.
  Status film_without_parent(const Run& run);

  Status pass_through(const std::shared_ptr<Source>& source);

  Status add(media::ByteStream& clip);

  Status finish();

  /// The film holds what came before the step that failed, to its last frame. It is with whoever
  /// keeps it before the error is told, which ends the pipeline.
  Status end_early(Error error);

  void announce_pending();

  /// What downstream has to know ahead of the next byte.
  Status push_events();

  Status push(media::Bytes bytes);

  /// Upstream may have ended, and nobody would tell.
  void post_flow_error(GstFlowReturn flow) { GST_ELEMENT_FLOW_ERROR(element_, flow); }

  void fail_with(Error error);

  GstElement* const element_;  // owns this
  GstPad* const src_;
  const std::shared_ptr<Wakeup> wakeup_ = std::make_shared<Wakeup>();
  const std::string instance_ = make_instance();
  PushedStream parent_;
  // Of upstream's streaming thread, which holds the sink pad's stream lock.
  struct Arrival {
    guint64 received = 0;   // bytes of the parent that came, each of which counts once
    guint64 next = 0;       // offset of the byte that is next, if a buffer does not say it
    bool restarts = false;  // some come again, by a seek: offsets count from then on
  };
  Arrival arrival_;
  std::chrono::steady_clock::time_point started_at_;

  // The generation's thread's; the film's once that has planned or failed; stop()'s.
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
  ElementSettings settings_;  // guarded by mutex_
  Run run_;                   // guarded by mutex_

  std::jthread generation_;  // last: it uses all that is above
};

}  // namespace veo::plugin
