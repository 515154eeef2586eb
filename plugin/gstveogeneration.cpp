// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstveogeneration.h"

#include <utility>

#include "gstveodecoders.h"
#include "gstveopeer.h"
#include "veo/core/log.h"
#include "veo/media/library.h"

#define GST_CAT_DEFAULT gst_veo_extend_debug

namespace veo::plugin {

using log::Category;

void Generation::run() {
  auto outcome = generate();
  if (outcome) {
    GST_DEBUG_OBJECT(shared_.element, "the generation has ended well");
    return;
  }
  if (shared_.is_interrupted()) {
    GST_DEBUG_OBJECT(shared_.element, "the generation was interrupted");
    if (shared_.has_ended()) shared_.release();
    return;
  }
  log::warning(Category::film, "step ", shared_.step(), " failed: ", outcome.error());
  // The pipeline must still play the parent's part, and an open PROGRESS would prevent PLAYING.
  if (const auto reporter = shared_.reporter.lock(); *reporter) {
    (*reporter)->failed(outcome.error());
  }
  shared_.change([&outcome](State& state) {
    state.phase = Phase::failed;
    state.error = std::move(outcome.error());
  });
}

Status Generation::generate() {
  const auto state = shared_.snapshot();
  if (state.settings.uri_error) return fail(*state.settings.uri_error);
  auto options = state.settings.source;
  if (auto found = find_parent(options); !found) return found;
  if (auto opened = open(state, options); !opened) return opened;
  if (options.dry_run) {
    shared_.change([](State& now) { now.phase = Phase::planned; });
    return {};
  }
  if (auto done = wait_for_completion(); !done) return done;
  return plan(options);
}

Status Generation::find_parent(Options& options) {
  auto& parent = options.request.extend_task_id;
  if (options.dry_run) {
    // The price does not depend on the parent.
    if (!parent) parent = "parent";
    return {};
  }
  const bool is_named = parent || !options.task_id.empty();
  GST_DEBUG_OBJECT(shared_.element, "waiting for the task to continue");
  const bool is_known = shared_.wait_for([is_named](const State& state) {
    const bool is_completed = state.upstream && state.upstream->status == TaskStatus::completed;
    return is_completed || state.has_failed_parent() || state.upstream_has_ended ||
           (state.upstream_has_begun && !state.upstream) || (is_named && state.upstream);
  });
  if (!is_known) return Continuation::interrupted();
  const auto state = shared_.snapshot();
  if (state.has_failed_parent()) return Continuation::parent_failed();
  if (!state.upstream) {
    if (!is_named) {
      return fail({.code = ErrorCode::invalid_request,
                   .message = "There is no task to continue: upstream is no veosrc or veoextend. "
                              "Set extend-task-id to the task whose video comes in."});
    }
  } else if (!is_named) {
    if (state.upstream->task_id.empty()) {
      return fail({.code = ErrorCode::invalid_request,
                   .message = "The stream ended before the task to continue was completed."});
    }
    parent = state.upstream->task_id;
    options.parent_upstream_id = state.upstream->upstream_id;
  }
  if (options.task_id.empty()) {
    log::info(Category::film, "step ", state.step(), ": continues task ",
              log::text(parent.value_or("")), ", which the service calls ",
              log::text(options.parent_upstream_id.empty() ? parent.value_or("")
                                                           : options.parent_upstream_id));
  } else {
    log::info(Category::film, "step ", state.step(), ": is task ", log::text(options.task_id));
  }
  return check_parent(state, options);
}

/// Checks the video that comes in before the submission, so that a continuation that cannot be
/// joined costs nothing. The film needs these bytes anyway, and they come in seconds, while a
/// generation takes minutes.
Status Generation::check_parent(const State& state, const Options& options) {
  const bool is_paid = state.upstream && !options.task_id.empty();
  if (is_paid || state.settings.source.join == Join::replace) return {};
  const auto format = media_.probe(shared_.parent);
  if (format) {
    log::debug(Category::film, "step ", state.step(),
               ": the video that comes in can be joined: ", log::text(describe(*format)));
    return {};
  }
  if (shared_.get([](const State& now) { return now.has_failed_parent(); })) {
    return Continuation::parent_failed();
  }
  auto error = format.error();
  if (error.code == ErrorCode::bad_media) {
    error.message = "The video that comes in cannot be a part of a film: " + error.message +
                    " The continuation was not submitted, and nothing is charged for it. "
                    "join=replace makes the continuation alone.";
  }
  return fail(std::move(error));
}

Status Generation::open(const State& state, const Options& options) {
  shared_.reporter.lock()->emplace(shared_.element, options,
                                   state.settings.source.join == Join::append
                                       ? Reporter::Setting::background
                                       : Reporter::Setting::playback);
  if (!options.dry_run) {
    const auto is_linked = wait_for_peer(
        shared_.src,
        [this] {
          (*shared_.reporter.lock())
              ->waiting("Waiting until the src pad is linked; nothing is sent yet");
        },
        [this](Wakeup::Time until) { return shared_.wakeup->pause(until); });
    if (!is_linked) return Continuation::interrupted();
    if (!*is_linked) return fail(is_linked->error());
    warn_of_missing_decoders(shared_.element, shared_.src);
  }
  const auto opened = reader_.open(options);
  if (!opened) return Continuation::interrupted();
  if (!*opened) return fail(opened->error());
  // The price is on the bus before anything is sent.
  (*shared_.reporter.lock())->update(**opened);
  // open() may have found an open source though it was interrupted.
  if (shared_.is_interrupted()) return Continuation::interrupted();
  reader_.start();
  shared_.change([this](State& now) {
    now.source = reader_.source();
    now.phase = Phase::running;
  });
  return {};
}

Status Generation::wait_for_completion() {
  const auto on_change = [this](const Source::Snapshot& seen) {
    (*shared_.reporter.lock())->update(seen);
  };
  const auto interval = (*shared_.reporter.lock())->interval();
  auto completed = reader_.wait_for_completion({.on_change = on_change, .interval = interval});
  if (!completed) return Continuation::interrupted();
  if (!*completed) return std::move(*completed);
  const auto seen = reader_.snapshot();
  TaskEvent event{
      .task_id = seen.job.task_id, .status = TaskStatus::completed, .step = shared_.step()};
  if (seen.job.report) event.upstream_id = seen.job.report->upstream_task_id.value_or("");
  log::info(Category::film, "step ", event.step, ": task ", log::text(event.task_id),
            " is completed");
  shared_.change([](State& state) { state.phase = Phase::completed; });
  shared_.announce(std::move(event));
  return {};
}

Status Generation::plan(const Options& options) {
  const auto open = [this, &options](const std::string& id) {
    return SourceStream::open_task(options, id, shared_.wakeup);
  };
  SourceStream file(reader_.source(), shared_.wakeup);
  const auto frames = media_.count_frames(file);
  if (!frames) return fail(shared_.explain(frames.error()));
  auto steps = find_parent_steps(options, open);
  if (!steps) return fail(std::move(steps.error()));
  const auto state = shared_.snapshot();
  const auto found = find_beginning(media_, *steps, state.settings.source.join, shared_.parent,
                                    file, *frames, open);
  if (!found) return fail(found.error());
  const auto first = *found;
  steps->push_back({.task_id = reader_.snapshot().job.task_id, .first = first, .frames = *frames});
  log::info(Category::film, "step ", state.step(), ": the file of ", *frames,
            " frames begins with step ", first + 1, " of ", steps->size());
  post_join(*steps);
  // Announce the steps before the change of phase. The change lets the film's thread push the end
  // of the film, and downstream must know the steps before that.
  auto event = *state.announced;
  event.steps = *steps;
  shared_.announce(std::move(event));
  shared_.change([&](State& now) {
    now.phase = Phase::planned;
    now.first = first;
    now.steps = std::move(*steps);
  });
  return {};
}

Result<FilmSteps> Generation::find_parent_steps(const Options& options, const OpenTask& open) {
  const bool is_known = shared_.wait_for([](const State& state) {
    return !state.upstream || state.upstream->step == 1 || !state.upstream->steps.empty() ||
           state.upstream_has_ended || state.has_failed_parent();
  });
  if (!is_known) return Continuation::interrupted();
  const auto state = shared_.snapshot();
  if (state.has_failed_parent()) return Continuation::parent_failed();
  if (state.upstream && !state.upstream->steps.empty()) {
    for (const auto& step : state.upstream->steps) {
      log::debug(Category::film, "step ", state.step(), ": upstream's film has task ",
                 log::text(step.task_id), ", whose file of ", step.frames,
                 " frames begins with step ", step.first + 1);
    }
    return state.upstream->steps;
  }
  const auto id =
      state.upstream ? state.upstream->task_id : options.request.extend_task_id.value_or("");
  FilmSteps steps{{.task_id = id}};
  if (state.settings.source.join == Join::automatic) {
    const auto format = media_.probe(shared_.parent);
    if (!format) return fail(format.error());
    steps[0].frames = format->frames.value_or(0);
  }
  // Count the frames in the task's own file, because another element may have changed the video
  // that comes in.
  if (steps[0].frames == 0 && state.upstream) {
    auto opened = open(id);
    if (!opened) return fail(std::move(opened.error()));
    const auto frames = media_.count_frames(**opened);
    // With replace, the film has nothing of the parent, which may be of any kind.
    const bool is_needed = state.settings.source.join != Join::replace;
    if (!frames && is_needed) return fail(frames.error());
    steps[0].frames = frames.value_or(0);
  }
  log::debug(Category::film, "step ", state.step(), ": what comes in is task ", log::text(id),
             " alone, of ", steps[0].frames, " frames");
  return steps;
}

void Generation::post_join(const FilmSteps& steps) {
  const auto& own = steps.back();
  const auto contained = static_cast<guint>(steps.size() - 1 - own.first);
  const auto join = std::string(nick(contained == 0 ? Join::append : Join::replace));
  GST_INFO_OBJECT(shared_.element, "join: %s, the file holds %u of the steps before it",
                  join.c_str(), contained);
  gst_element_post_message(
      shared_.element, gst_message_new_element(
                           GST_OBJECT(shared_.element),
                           gst_structure_new("veo-join",                                     //
                                             "join", G_TYPE_STRING, join.c_str(),            //
                                             "task-id", G_TYPE_STRING, own.task_id.c_str(),  //
                                             "frames", G_TYPE_UINT64, guint64{own.frames},   //
                                             "contained-steps", G_TYPE_UINT, contained, nullptr)));
}

}  // namespace veo::plugin
