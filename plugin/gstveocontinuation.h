// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The state that the three threads of one veoextend share while the element is in PAUSED or
// PLAYING. Each thread also has an object of its own:
//
//   thread        object      reads                     writes
//   upstream's    Extension   flow                      parent, `upstream` …, is_flushing
//   generation's  Generation  parent, `upstream` …      phase, source, error, steps, `announced`
//   film's        FilmOutput  parent, phase, source,    flow, film_has_ended, `announced`
//                             steps
//
// All three threads wait on one Wakeup: change() notifies it, wait_for() waits on it.
#pragma once

#include <gst/gst.h>

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "gstveoevent.h"
#include "gstveoowned.h"
#include "gstveoproperties.h"
#include "gstveoreporter.h"
#include "veo/media/library.h"
#include "veo/source/film.h"
#include "veo/source/source.h"
#include "veo/source/streams.h"
#include "veo/system/guarded.h"
#include "veo/system/wakeup.h"

GST_DEBUG_CATEGORY_EXTERN(gst_veo_extend_debug);

namespace veo::plugin {

class Continuation {
 public:
  enum class Phase {
    waiting,    ///< the generation waits for the parent's task, or for the source to open
    running,    ///< the task is joined or submitted
    completed,  ///< the task is completed
    planned,    ///< `steps` says what the task's file contains, so the film can be made
    failed,
  };

  struct State {
    ElementSettings settings;  // begin() sets the first three members, and nothing changes them
    const media::Library* media = nullptr;  // not null after begin()
    std::chrono::steady_clock::time_point began_at;

    std::optional<TaskEvent> upstream;  // the last event of upstream about its task
    ClipTags upstream_tags;             // what upstream says of its part of the film
    bool upstream_has_begun = false;    // a buffer or the end of the stream has arrived
    bool upstream_has_ended = false;
    bool is_flushing = false;  // upstream flushes its part of the stream

    Phase phase = Phase::waiting;
    std::shared_ptr<Source> source;  // set from `running` on
    std::optional<Error> error;      // set if and only if the phase is `failed`
    std::size_t first = 0;           // index in `steps` of the step with which our file begins
    FilmSteps steps;                 // the last one is ours

    std::optional<TaskEvent> announced;  // the last event that downstream must get
    GstFlowReturn flow = GST_FLOW_OK;    // what downstream returned last
    bool film_has_ended = false;

    [[nodiscard]] bool has_failed_parent() const {
      return upstream && upstream->status == TaskStatus::failed;
    }
    /// The number of our step in the film: 2 for the first extension.
    [[nodiscard]] guint step() const { return upstream ? upstream->step + 1 : 2; }
  };

  Continuation(GstElement* its_element, GstPad* its_src) : element(its_element), src(its_src) {}
  Continuation(const Continuation&) = delete;
  Continuation& operator=(const Continuation&) = delete;

  /// Replaces the state of the last run. Call it before any thread starts.
  void begin(State state);
  /// Ends every wait of the three threads. Later waits end at once too, until begin().
  void interrupt();
  /// The application ends the film. Ends every wait as interrupt() does, and FilmOutput ends the
  /// film. At rest, the next film ends before it begins.
  void end_film(Owned<GstEvent> eos);
  /// Returns the application's EOS; null: the application has not ended the film.
  [[nodiscard]] Owned<GstEvent> find_eos() const;
  [[nodiscard]] bool has_ended() const { return find_eos() != nullptr; }
  /// Cancels a PROGRESS that is open on the bus, and releases the job, after end_film(). The film's
  /// and the generation's thread call this function, each when its work ends.
  void release();
  [[nodiscard]] bool is_interrupted() const { return wakeup->is_interrupted(); }
  /// Releases the job, and cancels a PROGRESS that is open on the bus. Call it when the threads
  /// have ended.
  void end();

  // --- any thread ---

  [[nodiscard]] State snapshot() const { return *state_.lock(); }
  /// Returns `get(state)`. The state does not change while `get` runs.
  template <class Get>
  [[nodiscard]] auto get(Get get) const {
    return get(std::as_const(*state_.lock()));
  }
  [[nodiscard]] GstFlowReturn flow() const {
    return get([](const State& state) { return state.flow; });
  }
  [[nodiscard]] std::shared_ptr<Source> source() const {
    return get([](const State& state) { return state.source; });
  }
  [[nodiscard]] guint step() const {
    return get([](const State& state) { return state.step(); });
  }
  template <class Change>
  void change(Change change) {
    change(*state_.lock());
    wakeup->notify();
  }
  /// Waits until `is_so(state)`. False: the wait was interrupted.
  template <class Condition>
  [[nodiscard]] bool wait_for(Condition is_so) {
    return wakeup->wait_for([&] { return is_so(std::as_const(*state_.lock())); });
  }

  /// Sends downstream an event about our task, ahead of the bytes that are queued there. The film's
  /// thread sends the same event again as a sticky event, in its place in the stream.
  void announce(TaskEvent event);

  /// The error of a thread whose wait was interrupted. No message reports this error.
  static tl::unexpected<Error> interrupted();
  static tl::unexpected<Error> parent_failed();
  /// If `error` is a fault of the file that the service delivered, adds what the user can do.
  [[nodiscard]] Error explain(Error error) const;

  GstElement* const element;  // owns this
  GstPad* const src;
  const std::shared_ptr<Wakeup> wakeup = std::make_shared<Wakeup>();
  /// For end_stream(), since end_film() interrupts `wakeup`. interrupt() interrupts it, too.
  Wakeup ending;
  /// The bytes that come in.
  PushedStream parent;
  /// The generation's thread sets the reporter when it opens the source; end() resets it.
  Guarded<std::optional<Reporter>> reporter;

 private:
  void end_waits();

  Guarded<State> state_;
  Guarded<Owned<GstEvent>> eos_;  // until end()
};

const char* name_of(Continuation::Phase phase);

}  // namespace veo::plugin
