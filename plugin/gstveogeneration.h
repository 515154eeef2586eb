// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The generation of one continuation, on a thread of its own, whatever the stream does meanwhile:
//
//   find_parent ──► open ──► [price on the bus] ──► submit ──► completed ──► plan
//   (waits for the parent's task)                              │             │
//                                                  `veo-task` to downstream, both times
#pragma once

#include <string>

#include "gstveocontinuation.h"
#include "veo/source/source_reader.h"

namespace veo::plugin {

/// Made, used and destroyed by the generation's thread.
class Generation {
 public:
  explicit Generation(Continuation& shared)
      : shared_(shared), media_(*shared.snapshot().media), reader_(shared.wakeup) {}

  /// From the wait for the parent to the plan, or to an error, which becomes the state's.
  void run();

 private:
  using Phase = Continuation::Phase;
  using State = Continuation::State;

  Status generate();
  /// Waits until it is known which task to continue, and that it can be continued.
  Status find_parent(Options& options);
  Status open(const State& state, const Options& options);
  Status wait_for_completion();
  /// Finds out what the task's file contains, and what the film is made of.
  Status plan(const Options& options);
  /// The steps of the film that comes in, with their frames as far as they can be known.
  Result<FilmSteps> find_parent_steps(const Options& options, const OpenTask& open);
  /// Posts `veo-join`.
  void post_join(const FilmSteps& steps);
  void notify_task_id(const std::string& id);

  Continuation& shared_;
  const media::Library& media_;
  SourceReader reader_;
  std::string notified_task_id_;
};

}  // namespace veo::plugin
