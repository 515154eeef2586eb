// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The generation of one continuation. It has a thread of its own, so that the state of the stream
// does not delay it:
//
//   find_parent ──► open ──► [price on the bus] ──► submit ──► completed ──► plan
//   (waits for the parent's task)                              │             │
//                                                  both times it sends `veo-task` downstream
#pragma once

#include <string>

#include "gstveocontinuation.h"
#include "veo/source/source_reader.h"

namespace veo::plugin {

/// Only the generation's thread makes, uses and destroys this object.
class Generation {
 public:
  explicit Generation(Continuation& shared)
      : shared_(shared), media_(*shared.snapshot().media), reader_(shared.wakeup) {}

  /// Does all the work from the wait for the parent to the plan. Stores an error in the state.
  void run();

 private:
  using Phase = Continuation::Phase;
  using State = Continuation::State;

  Status generate();
  /// Waits until the parent's task is known and can be continued. Writes the task's id to
  /// `options`.
  Status find_parent(Options& options);
  Status check_parent(const State& state, const Options& options);
  Status open(const State& state, const Options& options);
  Status wait_for_completion();
  /// Finds out which steps the task's file contains, and so which files make the film.
  Status plan(const Options& options);
  /// Finds the steps of the film that comes in. The frames of a step stay 0 if nothing says them.
  Result<FilmSteps> find_parent_steps(const Options& options, const OpenTask& open);
  /// Posts `veo-join`.
  void post_join(const FilmSteps& steps);

  Continuation& shared_;
  const media::Library& media_;
  SourceReader reader_;
};

}  // namespace veo::plugin
