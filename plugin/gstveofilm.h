// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The film that ends with one continuation, given out on the src pad, once, from its first byte to
// its last.
//
//   join=append        the parent at once ──► our file, when it is there
//   join=auto, replace wait for the plan ──► parent, our file      our file continues the parent
//                                        ──► our file alone        our file is the film
//                                        ──► files of the steps before, our file
#pragma once

#include <memory>
#include <optional>

#include "gstveocontinuation.h"
#include "veo/media/joiner.h"

namespace veo::plugin {

/// Made, used and destroyed by the film's thread, the src pad's.
class FilmOutput {
 public:
  explicit FilmOutput(Continuation& shared) : shared_(shared) {}

  /// Gives out the film and EOS, or as much of the film as there is, and an error.
  void run();

 private:
  using Phase = Continuation::Phase;
  using State = Continuation::State;

  Status make_film();
  /// A dry run has no film: waits for the end of the other threads' work.
  Status finish_dry_run();
  /// Waits for the plan, or an error that stands in its place. False: interrupted.
  bool wait_for_plan();
  /// Our file contains some of what comes in, if not all of it.
  Status make_film_without_parent(const State& state);
  Status pass_through(const std::shared_ptr<Source>& source);
  Status add(media::ByteStream& clip, const char* what);
  Status finish();
  /// Ends the film with the last frame of what came before the step that failed. Downstream has all
  /// of it before the error is told, which ends the pipeline.
  Status end_early(Error error);
  /// Downstream knows that a step is to come, though not yet its task.
  void announce_pending();
  /// Sends what downstream has to know ahead of the next byte.
  Status push_events();
  Status push(media::Bytes bytes);
  void post_failure(Error error);

  Continuation& shared_;
  std::unique_ptr<media::Joiner> joiner_;  // once a clip is in the film
  bool is_open_ = false;                   // stream-start, caps and segment are out
  std::optional<TaskEvent> announced_;     // what the stream has said, last
  guint64 bytes_ = 0;                      // pushed
};

}  // namespace veo::plugin
