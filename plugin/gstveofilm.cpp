// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstveofilm.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "gstveoending.h"
#include "gstveoerror.h"
#include "gstveoowned.h"
#include "gstveopeer.h"
#include "veo/core/error_table.h"
#include "veo/core/log.h"

#define GST_CAT_DEFAULT gst_veo_extend_debug

namespace veo::plugin {

using log::Category;

namespace {

/// How long the element upstream may take to end its stream, and how often to look.
constexpr auto upstream_end_time = std::chrono::milliseconds(100);
constexpr auto upstream_end_interval = std::chrono::milliseconds(2);

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

/// Returns the group id of the stream that comes in, or a new id if that stream has none.
guint find_group_id(GstElement* element) {
  guint id = GST_GROUP_ID_INVALID;
  const Owned<GstPad> sink(gst_element_get_static_pad(element, "sink"));
  auto* const start = gst_pad_get_sticky_event(sink.get(), GST_EVENT_STREAM_START, 0);
  if (start != nullptr) {
    gst_event_parse_group_id(start, &id);
    gst_event_unref(start);
  }
  return id != GST_GROUP_ID_INVALID ? id : gst_util_group_id_next();
}

Status outcome_of(Continuation::State state) {
  if (state.error) return fail(std::move(*state.error));
  return {};
}

/// Says what another run of the same line does.
std::string describe_next(ErrorCode code) {
  switch (code) {
    case ErrorCode::submit_unknown:  // its message says what to do
      return "";
    case ErrorCode::task_failed:
      return " The same line again submits this step anew, and pays no other one again.";
    case ErrorCode::bad_media:
      return " The steps before it are paid, and each plays by its task id.";
    default:
      break;
  }
  return error_row(code).is_passing
             ? " The same line again goes on with this step, and pays no other one again."
             : " When that is corrected, the same line goes on with this step, and pays no other "
               "one again.";
}

}  // namespace

void FilmOutput::run() {
  GST_DEBUG_OBJECT(shared_.element, "the film's thread begins");
  const auto made = make_film();
  pause_.reset();
  const auto flow = shared_.flow();
  if (const auto eos = shared_.find_eos(); eos && !made) {
    end_as_asked(eos.get());
    shared_.change([](State& state) { state.film_has_ended = true; });
    return;
  }
  // A demuxer returns EOS after its last sample, and still waits for our EOS event.
  if (made || flow == GST_FLOW_EOS) {
    log::info(Category::film, "step ", shared_.step(), ": the film ends after ", bytes_, " bytes");
    GST_INFO_OBJECT(shared_.element, "EOS after %" G_GUINT64_FORMAT " bytes", bytes_);
    tell_where_the_file_is();
    const Owned<GstEvent> eos(gst_event_new_eos());
    // A dry run has no bytes.
    if (bytes_ == 0) {
      end_stream({.element = shared_.element,
                  .src = shared_.src,
                  .eos = eos.get(),
                  .has_data = false,
                  .is_asked = false},
                 shared_.ending);
    } else {
      gst_pad_push_event(shared_.src, gst_event_ref(eos.get()));
    }
  } else if (!shared_.is_interrupted() && flow == GST_FLOW_OK) {
    const bool is_ours = !shared_.snapshot().has_failed_parent();
    log::warning(Category::film, "step ", shared_.step(), ": the film ends early, after ", bytes_,
                 " bytes: ", made.error());
    // A decoder gives out its last frames only at EOS, and the error ends the pipeline. So where
    // the film is played, EOS goes first, and the error comes between the last frame and the
    // message EOS.
    const bool is_played = is_ours && joiner_ && has_synchronised_sink(shared_.element);
    if (is_played) {
      gst_pad_push_event(shared_.src, gst_event_new_eos());
      wait_until_shown(shared_.element, *shared_.wakeup);
    }
    if (is_ours && !shared_.is_interrupted()) post_failure(made.error());
    shared_.change([](State& state) { state.flow = GST_FLOW_ERROR; });
    shared_.parent.discard();
    // Otherwise send EOS after the error, as GstBaseSrc does, so that downstream does not wait for
    // more bytes. The step that failed posts the error. If that is a step upstream, its EOS comes
    // behind the error, and Extension passes that EOS on: an earlier one would end the pipeline as
    // if all were well.
    if (is_ours && !is_played) gst_pad_push_event(shared_.src, gst_event_new_eos());
  } else {
    GST_DEBUG_OBJECT(shared_.element, "the film was stopped after %" G_GUINT64_FORMAT " bytes: %s",
                     bytes_, gst_flow_get_name(flow));
  }
  shared_.change([](State& state) { state.film_has_ended = true; });
}

void FilmOutput::end_as_asked(GstEvent* eos) {
  log::info(Category::film, "step ", shared_.step(), ": the application ends the film after ",
            bytes_, " bytes");
  shared_.release();
  shared_.parent.discard();
  // The source upstream ends its own PROGRESS, if EOS came to it, too. EOS must not overtake that.
  const auto until = std::chrono::steady_clock::now() + upstream_end_time;
  while (!shared_.get([](const State& state) { return state.upstream_has_ended; }) &&
         std::chrono::steady_clock::now() < until &&
         shared_.ending.pause(std::chrono::steady_clock::now() + upstream_end_interval)) {
  }
  // What was pushed is whole fragments, and the film plays without the rest. Sinks may not know the
  // stream yet. A decodebin would begin to plug at these events.
  if (takes_eos(shared_.src)) static_cast<void>(push_events());
  end_stream({.element = shared_.element,
              .src = shared_.src,
              .eos = eos,
              .has_data = bytes_ > 0,
              .is_asked = true},
             shared_.ending);
}

/// Tells the application where the continuation's own file is, which came into the cache while the
/// film was made.
void FilmOutput::tell_where_the_file_is() {
  const auto source = shared_.source();
  const auto reporter = shared_.reporter.lock();
  if (source && *reporter) (*reporter)->ended(source->snapshot());
}

Status FilmOutput::make_film() {
  const auto join = shared_.get([](const State& state) { return state.settings.source.join; });
  // Wait until the generation knows the parent's task, and knows that it can be continued.
  const bool is_known = shared_.wait_for([join](const State& state) {
    const auto enough = join == Join::append ? Phase::running : Phase::completed;
    return state.phase >= enough || state.has_failed_parent();
  });
  if (!is_known) return Continuation::interrupted();
  if (shared_.get([](const State& state) { return state.settings.source.dry_run; })) {
    return finish_dry_run();
  }
  if (join == Join::append) {
    announce_pending();
  } else {
    // The next element can submit its task before the plan says what our file contains.
    if (auto done = push_events(); !done) return done;
    if (!wait_for_plan()) return Continuation::interrupted();
    const auto state = shared_.snapshot();
    const bool is_planned = state.phase == Phase::planned && !state.has_failed_parent();
    if (is_planned && state.first < state.steps.size() - 1) return make_film_without_parent(state);
    if (is_planned) {
      SourceStream file(state.source, shared_.wakeup);
      begin_film({&shared_.parent, &file});
    }
  }
  const auto added = add(shared_.parent, "what comes in");
  // With the other kinds of `join` the film does not begin before our file is completed.
  if (added && join == Join::append) begin_pause();
  if (!wait_for_plan()) return Continuation::interrupted();
  const auto state = shared_.snapshot();
  if (!added) return state.phase == Phase::failed && bytes_ == 0 ? outcome_of(state) : added;
  if (state.has_failed_parent()) return end_early(Continuation::parent_failed().value());
  if (state.phase == Phase::failed) return end_early(*state.error);
  SourceStream file(state.source, shared_.wakeup);
  if (auto done = add(file, "our file"); !done) return end_early(shared_.explain(done.error()));
  return finish();
}

Status FilmOutput::finish_dry_run() {
  shared_.parent.discard();
  const bool is_over = shared_.wait_for(
      [](const State& state) { return state.upstream_has_ended || state.error.has_value(); });
  if (!is_over) return Continuation::interrupted();
  return outcome_of(shared_.snapshot());
}

bool FilmOutput::wait_for_plan() {
  return shared_.wait_for([](const State& state) {
    return state.phase >= Phase::planned || state.has_failed_parent();
  });
}

Status FilmOutput::make_film_without_parent(const State& state) {
  shared_.parent.discard();
  const auto before = files_of(state.steps, state.first);
  if (before.empty()) return pass_through(state.source);
  SourceStream file(state.source, shared_.wakeup);
  std::vector<std::unique_ptr<media::ByteStream>> opened;
  std::vector<media::ByteStream*> clips{&file};
  for (const auto& id : before) {
    auto clip = SourceStream::open_task(state.settings.source, id, shared_.wakeup);
    if (!clip) return fail(std::move(clip.error()));
    clips.push_back(clip->get());
    opened.push_back(std::move(*clip));
  }
  begin_film(clips);
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (auto done = add(*opened[i], before[i].c_str()); !done) return done;
  }
  if (auto done = add(file, "our file"); !done) return end_early(shared_.explain(done.error()));
  return finish();
}

Status FilmOutput::pass_through(const std::shared_ptr<Source>& source) {
  log::info(Category::film, "step ", shared_.step(), ": our file is the film, as it is");
  SourceStream file(source, shared_.wakeup);
  for (;;) {
    media::Bytes bytes(std::size_t{256} << 10U);
    const auto got = file.read(bytes_, bytes);
    if (!got) return fail(got.error());
    if (*got == 0) return {};
    bytes.resize(*got);
    if (auto done = push(std::move(bytes)); !done) return done;
  }
}

void FilmOutput::begin_film(const std::vector<media::ByteStream*>& clips) {
  std::vector<media::ClipFormat> formats;
  for (auto* const clip : clips) {
    auto format = shared_.snapshot().media->probe(*clip);
    // add() finds and reports the same error, after the clips before are in the film.
    if (!format) return make_joiner(false);
    formats.push_back(std::move(*format));
  }
  make_joiner(media::have_same_parameter_sets(formats));
}

void FilmOutput::make_joiner(bool has_one_configuration) {
  log::debug(Category::film, "step ", shared_.step(), ": the film's sample entry is ",
             has_one_configuration ? "avc1" : "avc3");
  joiner_ = shared_.snapshot().media->make_joiner({.has_one_configuration = has_one_configuration});
  joiner_->set_tags(make_tags());
}

Status FilmOutput::add(media::ByteStream& clip, const char* what) {
  // With join=append, the film begins before the parameter sets of our file are known.
  if (!joiner_) make_joiner(false);
  log::debug(Category::film, "step ", shared_.step(), ": ", log::text(what), " joins the film");
  auto done = joiner_->append(clip);
  while (done) {
    auto piece = joiner_->read();
    if (!piece) {
      done = fail(std::move(piece.error()));
    } else if (piece->empty()) {
      log::info(Category::film, "step ", shared_.step(), ": ", log::text(what),
                " is in the film, which has ", joiner_->frames(), " frames");
      return {};
    } else {
      done = push(std::move(*piece));
    }
  }
  if (!shared_.is_interrupted()) {
    log::debug(Category::film, "step ", shared_.step(), ": ", log::text(what),
               " is not in the film: ", done.error());
  }
  return done;
}

ClipTags FilmOutput::make_tags() const {
  const auto state = shared_.snapshot();
  const auto& options = state.settings.source;
  std::vector<std::string> ids;
  for (const auto& step : state.steps) ids.push_back(step.task_id);
  // With join=append the film begins before its last task has an id.
  if (ids.empty() && state.upstream) {
    for (const auto& step : state.upstream->steps) ids.push_back(step.task_id);
    if (ids.empty() && !state.upstream->task_id.empty()) ids.push_back(state.upstream->task_id);
  }
  if (ids.empty() && options.request.extend_task_id) ids.push_back(*options.request.extend_task_id);
  const auto clips = state.steps.empty() ? std::size_t{state.step()} : state.steps.size();
  auto tags = make_film_tags(std::move(ids), clips);
  tags.date = state.upstream_tags.date;
  tags.description = state.upstream_tags.description;
  if (options.prompt_tag) {
    tags.description += (tags.description.empty() ? "" : "\n") + options.request.prompt;
  }
  return tags;
}

Status FilmOutput::finish() {
  auto rest = joiner_->finish();
  if (!rest) return fail(std::move(rest.error()));
  if (rest->empty()) return push_events();
  return push(std::move(*rest));
}

Status FilmOutput::end_early(Error error) {
  if (shared_.is_interrupted()) return Continuation::interrupted();
  // A paused pipeline would neither show the rest of the film nor take all of it.
  pause_.reset();
  const auto state = shared_.snapshot();
  auto failed = state.announced.value_or(TaskEvent{.step = state.step()});
  failed.status = TaskStatus::failed;
  if (auto done = finish(); !done) return done;
  shared_.announce(failed);
  if (auto done = push_events(); !done) return done;
  GST_DEBUG_OBJECT(shared_.element, "draining downstream before the error");
  const Owned<GstQuery> drain(gst_query_new_drain());
  gst_pad_peer_query(shared_.src, drain.get());
  return fail(std::move(error));
}

void FilmOutput::announce_pending() {
  shared_.change([](State& state) {
    if (!state.announced) state.announced = {.status = TaskStatus::pending, .step = state.step()};
  });
}

Status FilmOutput::push_events() {
  auto* const src = shared_.src;
  if (!is_open_) {
    is_open_ = true;
    GST_DEBUG_OBJECT(shared_.element, "opening the stream");
    const Owned<char> id(gst_pad_create_stream_id(src, shared_.element, "film"));
    auto* const start = gst_event_new_stream_start(id.get());
    gst_event_set_group_id(start, find_group_id(shared_.element));
    gst_pad_push_event(src, start);
    auto* const caps = gst_pad_get_pad_template_caps(src);
    gst_pad_push_event(src, gst_event_new_caps(caps));
    gst_caps_unref(caps);
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_BYTES);
    gst_pad_push_event(src, gst_event_new_segment(&segment));
  }
  const auto announced = shared_.get([](const State& state) { return state.announced; });
  if (!announced || announced == announced_) return {};
  announced_ = announced;
  gst_pad_push_event(src, make_task_event(GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, *announced));
  if (announced->task_id.empty()) return {};
  // The last tags of a stream replace those before, so they name all tasks.
  auto tags = make_tags();
  auto& ids = tags.task_ids;
  if (std::ranges::find(ids, announced->task_id) == ids.end()) ids.push_back(announced->task_id);
  if (tags == tags_) return {};
  gst_pad_push_event(src, make_tag_event(tags));
  tags_ = std::move(tags);
  return {};
}

Status FilmOutput::push(media::Bytes bytes) {
  pause_.reset();
  if (auto done = push_events(); !done) return done;
  if (bytes_ == 0) {
    const auto source = shared_.source();
    const auto phase = shared_.get([](const State& state) { return state.phase; });
    if (source && phase == Phase::planned) {
      (*shared_.reporter.lock())->streaming(source->snapshot());
    }
  }
  const auto size = bytes.size();
  const auto flow = gst_pad_push(shared_.src, wrap(std::move(bytes), bytes_));
  bytes_ += size;
  if (flow == GST_FLOW_OK) return {};
  GST_DEBUG_OBJECT(shared_.element, "downstream takes no more: %s", gst_flow_get_name(flow));
  shared_.change([flow](State& state) { state.flow = flow; });
  shared_.parent.discard();
  // If upstream has ended, no other element posts this error.
  if (flow == GST_FLOW_NOT_LINKED || flow < GST_FLOW_EOS) {
    GST_ELEMENT_FLOW_ERROR(shared_.element, flow);
  }
  return Continuation::interrupted();
}

void FilmOutput::begin_pause() {
  const auto phase = shared_.get([](const State& state) { return state.phase; });
  pause_ = std::make_unique<PlaybackPause>(
      shared_.element,
      PlaybackPause::Film{.frames = joiner_->frames(), .rate = joiner_->format().video.rate},
      phase < Phase::planned);
}

void FilmOutput::post_failure(Error error) {
  const auto began_at = shared_.get([](const State& state) { return state.began_at; });
  if (!shared_.wakeup->pause(began_at + first_error_after)) return;
  const auto step = shared_.step();
  error.message =
      "Step " + std::to_string(step) + " of the film failed: " + error.message +
      (bytes_ > 0 ? " The film up to step " + std::to_string(step - 1) + " is complete." : "") +
      describe_next(error.code);
  post_error(shared_.element, error);
}

}  // namespace veo::plugin
