// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the three threads of one veoextend share, from READY to READY. Each thread has an object of
// its own beside it:
//
//   thread        object      reads                     writes
//   upstream's    Extension   flow                      parent, `upstream` …, is_flushing
//   generation's  Generation  parent, `upstream` …      phase, source, error, steps, `announced`
//   film's        FilmOutput  parent, phase, source,    flow, film_has_ended, `announced`
//                             steps
//
// All of them wait on one Wakeup: change() notifies it, wait_for() waits on it.
#pragma once

#include <gst/gst.h>

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "gstveoevent.h"
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
    waiting,    ///< for the parent's task, or for the source to open
    running,    ///< the task is joined or submitted
    completed,  ///< the task is completed
    planned,    ///< it is known what the task's file contains, and how the film is made
    failed,
  };

  struct State {
    ElementSettings settings;  // these four as they were when it began
    Join join = Join::automatic;
    const media::Library* media = nullptr;  // never null once it has begun
    std::chrono::steady_clock::time_point began_at;

    std::optional<TaskEvent> upstream;  // what upstream has said of its task, last
    bool upstream_has_begun = false;    // a buffer came, or the end
    bool upstream_has_ended = false;
    bool is_flushing = false;  // upstream's part

    Phase phase = Phase::waiting;
    std::shared_ptr<Source> source;  // from `running` on
    std::optional<Error> error;      // set iff failed
    std::size_t first = 0;           // our file begins with this step: an index of `steps`
    FilmSteps steps;                 // ours is the last

    std::optional<TaskEvent> announced;  // what downstream has to know, last
    GstFlowReturn flow = GST_FLOW_OK;    // downstream's
    bool film_has_ended = false;

    [[nodiscard]] bool has_failed_parent() const {
      return upstream && upstream->status == TaskStatus::failed;
    }
    /// Which step of the film this is: 2 for the first extension.
    [[nodiscard]] guint step() const { return upstream ? upstream->step + 1 : 2; }
  };

  Continuation(GstElement* its_element, GstPad* its_src) : element(its_element), src(its_src) {}
  Continuation(const Continuation&) = delete;
  Continuation& operator=(const Continuation&) = delete;

  /// Takes the place of the last run, before any thread starts.
  void begin(State state);
  /// Ends each wait of the three threads, those under way and later ones, until begin().
  void interrupt();
  [[nodiscard]] bool is_interrupted() const { return wakeup->is_interrupted(); }
  /// Lets go of the job, and closes what is open on the bus, when the threads have ended.
  void end();

  // --- any thread ---

  [[nodiscard]] State snapshot() const { return *state_.lock(); }
  /// `get(state)`, of one moment.
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
  /// Waits until `is_so(state)`. False: interrupted.
  template <class Condition>
  [[nodiscard]] bool wait_for(Condition is_so) {
    return wakeup->wait_for([&] { return is_so(std::as_const(*state_.lock())); });
  }

  /// Tells downstream of our task, at once and past all that is on its way there. The film's thread
  /// sends the same event in its place in the stream, to stay.
  void announce(TaskEvent event);

  /// What a thread returns whose wait was interrupted: nobody is told of it.
  static tl::unexpected<Error> interrupted();
  static tl::unexpected<Error> parent_failed();
  /// A fault of the file that the service delivered, with what the user can do about it.
  [[nodiscard]] Error explain(Error error) const;

  GstElement* const element;  // owns this
  GstPad* const src;
  const std::shared_ptr<Wakeup> wakeup = std::make_shared<Wakeup>();
  /// What comes in.
  PushedStream parent;
  /// Set while there is something to report: by the generation's thread, until the film streams.
  Guarded<std::optional<Reporter>> reporter;

 private:
  Guarded<State> state_;
};

const char* name_of(Continuation::Phase phase);

}  // namespace veo::plugin
