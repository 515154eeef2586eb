// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Pushes the film that ends with one continuation on the src pad, once, from its first byte to its
// last.
//
//   join=append        the parent at once ──► our file, when it has arrived. If our file is late
//                                             for the playback: BUFFERING
//   join=auto, replace wait for the plan ──► parent, our file      if our file continues the parent
//                                        ──► our file alone        if our file is the whole film
//                                        ──► files of earlier      if our file begins with a step
//                                            steps, our file       in between
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "gstveocontinuation.h"
#include "gstveoplayback.h"
#include "veo/core/clip_tags.h"
#include "veo/media/joiner.h"

namespace veo::plugin {

/// Only the film's thread, which is the src pad's task, makes, uses and destroys this object.
class FilmOutput {
 public:
  explicit FilmOutput(Continuation& shared) : shared_(shared) {}

  /// Pushes the film and EOS. If a step fails, pushes the steps before it, and posts an error.
  void run();

 private:
  using Phase = Continuation::Phase;
  using State = Continuation::State;

  /// Ends the film because the application asked for it.
  void end_as_asked(GstEvent* eos);
  void tell_where_the_file_is();
  Status make_film();
  /// Waits until the other threads have ended their work. A dry run has no film.
  Status finish_dry_run();
  /// Waits until the generation has a plan or has failed, or the parent has failed. False: the wait
  /// was interrupted.
  bool wait_for_plan();
  /// Makes the film without the bytes that come in, because our file contains at least the last of
  /// the steps in them.
  Status make_film_without_parent(const State& state);
  Status pass_through(const std::shared_ptr<Source>& source);
  Status add(media::ByteStream& clip, const char* what);
  /// Makes the joiner, if all clips of the film are known before the film begins.
  void begin_film(const std::vector<media::ByteStream*>& clips);
  void make_joiner(bool has_one_configuration);
  Status finish();
  /// Ends the film with the last frame before the step that failed. An error message ends the
  /// pipeline, so this function first waits until downstream has the whole film.
  Status end_early(Error error);
  /// Announces our step to downstream before our task has an id.
  void announce_pending();
  /// Sends the events that downstream must get before the next byte.
  Status push_events();
  Status push(media::Bytes bytes);
  /// Makes the tags of the film, as far as its tasks are known.
  [[nodiscard]] ClipTags make_tags() const;
  void post_failure(Error error);
  /// Pauses the playback if the next bytes come too late for it. The next push() ends the pause.
  void begin_pause();

  Continuation& shared_;
  std::unique_ptr<media::Joiner> joiner_;  // null until the first clip is added
  bool is_open_ = false;                   // stream-start, caps and segment were sent
  std::optional<TaskEvent> announced_;     // the last `veo-task` event in the stream
  std::optional<ClipTags> tags_;           // the last tags in the stream
  guint64 bytes_ = 0;                      // bytes that were pushed
  std::unique_ptr<PlaybackPause> pause_;   // set while the next clip's first bytes are awaited
};

}  // namespace veo::plugin
