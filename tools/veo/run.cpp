// SPDX-License-Identifier: LGPL-2.1-or-later
#include "run.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "exit_code.h"
#include "film_writer.h"
#include "veo/core/clip_tags.h"
#include "veo/core/error_table.h"
#include "veo/core/escape.h"
#include "veo/core/log.h"
#include "veo/core/task_id.h"
#include "veo/media/library.h"
#include "veo/source/account.h"
#include "veo/source/streams.h"
#include "veo/system/environment.h"

namespace veo::cli {

namespace {

using namespace std::chrono_literals;

constexpr auto update_interval = 1s;  // without a terminal there is no line to redraw

/// Whether the cache keeps clips.
bool is_cache_enabled() { return environment::get("VEO_CACHE_SIZE").value_or("") != "0"; }

/// A stream that shows the progress of its download at each read().
class ShownStream : public media::ByteStream {
 public:
  ShownStream(media::ByteStream& stream, const Source& source, Display& display)
      : stream_(stream), source_(source), display_(display) {}
  Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override {
    display_.update(source_.snapshot());
    return stream_.read(offset, into);
  }

 private:
  media::ByteStream& stream_;
  const Source& source_;
  Display& display_;
};

class Delivery {
 public:
  Delivery(Session& session, Options settings, std::optional<Output> output,
           std::optional<FilmRequest> film, Display& display)
      : session_(session),
        settings_(std::move(settings)),
        output_(std::move(output)),
        film_(film),
        display_(display),
        reader_(session.wakeup) {}

  Outcome run() {
    if (auto begun = reader_.begin(settings_); !begun) return fail_with(begun.error());
    const auto opened = reader_.wait_until_open([this](const Error& trouble) { tell(trouble); });
    if (!opened) return report_interruption();
    if (!*opened) return fail_with(opened->error());
    display_.update(**opened);
    if (output_ && film_) return run_film();
    reader_.start();
    if (settings_.dry_run) return finish_dry_run();
    if (output_) return deliver_file();
    if (auto ended = wait_for_completion()) return *ended;
    return report_done(reader_.snapshot(), "");
  }

 private:
  /// Says once why the opening waits.
  void tell(const Error& trouble) {
    if (trouble.message == told_) return;
    told_ = trouble.message;
    display_.say("Waiting: " + told_);
  }

  /// Makes the watch that updates the display while the reader waits.
  SourceReader::Watch make_watch() {
    const auto show = [this](const Source::Snapshot& seen) {
      display_.update(seen);
      outcome_.task_id = seen.job.task_id;
    };
    return {.on_change = show, .interval = display_.moves() ? redraw_interval : update_interval};
  }

  /// Waits until the task is completed. Otherwise returns the outcome of the run.
  std::optional<Outcome> wait_for_completion() {
    const auto completed = reader_.wait_for_completion(make_watch());
    if (!completed) return report_interruption();
    if (!*completed) return fail_with(completed->error());
    return std::nullopt;
  }

  // --- a file as it was delivered ---

  Outcome deliver_file() {
    for (;;) {
      const auto taken = reader_.take(outcome_.bytes, largest_piece, make_watch());
      if (!taken) return report_interruption();
      if (!*taken) return fail_with(taken->error());
      const auto bytes = (*taken)->bytes;
      if (bytes.empty()) return finish();
      outcome_.bytes += bytes.size();
      if (is_output_closed_) continue;
      const auto written = output_->write(bytes);
      if (!written) return fail_with(attach_task(written.error()));
      if (*written == Output::Written::interrupted) return report_interruption();
      is_output_closed_ = *written == Output::Written::closed;
      // The video is paid, so read the rest into the cache for a later request.
      if (is_output_closed_ && !is_cache_enabled()) return outcome_;
    }
  }

  Outcome finish() {
    if (is_output_closed_) return outcome_;
    auto file = output_->finish(make_task_file_stem(outcome_.task_id) + ".mp4");
    if (!file) return fail_with(attach_task(file.error()));
    return report_done(reader_.snapshot(), *file);
  }

  // --- a film ---

  Outcome run_film() {
    const auto open = [this](const std::string& id) {
      return SourceStream::open_task(settings_, id, session_.wakeup);
    };
    // Check the parent's video before the submission, so that a continuation that cannot be joined
    // costs nothing.
    const auto loaded = media::load();
    if (!loaded) return refuse_parent(loaded.error());
    const auto& media = **loaded;
    FilmSteps steps;
    if (film_->join != Join::replace) {
      auto found = find_parents(media, open);
      if (!found) return refuse_parent(std::move(found.error()));
      steps = std::move(*found);
    }
    reader_.start();
    std::optional<FilmWriter> writer;
    const auto so_far = files_of(steps, steps.size());
    if (film_->join == Join::append) {
      // Nobody knows the continuation's parameter sets yet.
      begin_film(writer, media, steps, false);
      for (const auto& id : so_far) {
        if (auto ended = add(*writer, open(id))) return *ended;
      }
    }
    if (auto ended = wait_for_completion()) {
      // A pipe gets the parent's video to its last frame.
      if (writer) static_cast<void>(writer->finish());
      return *ended;
    }
    SourceStream own(reader_.source(), session_.wakeup);
    if (!writer) {
      auto first = find_first_step(media, steps, own, open);
      if (!first) return fail_to_join(std::move(first.error()));
      const auto before = files_of(steps, *first);
      if (before.empty()) return deliver_file();
      const auto is_one = has_one_configuration(media, before, own, open);
      if (!is_one) return fail_to_join(is_one.error());
      begin_film(writer, media, steps, *is_one);
      for (const auto& id : before) {
        if (auto ended = add(*writer, open(id))) return *ended;
      }
    }
    ShownStream shown(own, *reader_.source(), display_);
    const auto added = writer->add(shown);
    writer->report_notices(display_);
    if (!added) return fail_to_join(added.error());
    if (*added == Output::Written::interrupted) return report_interruption();
    const auto rest = writer->finish();
    if (!rest) return fail_to_join(rest.error());
    if (*rest == Output::Written::interrupted) return report_interruption();
    is_output_closed_ = !writer->has_reader();
    outcome_.bytes = writer->bytes();
    return finish();
  }

  void begin_film(std::optional<FilmWriter>& writer, const media::Library& media,
                  const FilmSteps& steps, bool is_of_one_configuration) {
    writer.emplace(media, *output_,
                   FilmWriter::Settings{.asks_for_fragments = film_->asks_for_fragments,
                                        .has_one_configuration = is_of_one_configuration});
    writer->set_tags(make_tags(steps));
  }

  /// Whether the files of the earlier steps and our file share their parameter sets.
  static Result<bool> has_one_configuration(const media::Library& media,
                                            const std::vector<std::string>& before,
                                            media::ByteStream& own, const OpenTask& open) {
    std::vector<media::ClipFormat> formats;
    const auto add_format = [&formats, &media](media::ByteStream& clip) -> Status {
      auto format = media.probe(clip);
      if (!format) return fail(std::move(format.error()));
      formats.push_back(std::move(*format));
      return {};
    };
    for (const auto& id : before) {
      const auto clip = open(id);
      if (!clip) return fail(clip.error());
      if (auto done = add_format(**clip); !done) return fail(std::move(done.error()));
    }
    if (auto done = add_format(own); !done) return fail(std::move(done.error()));
    return media::have_same_parameter_sets(formats);
  }

  /// Makes the tags of the film of `steps` and the task. With join=append the film begins before
  /// the task has an id.
  [[nodiscard]] ClipTags make_tags(const FilmSteps& steps) const {
    std::vector<std::string> ids;
    for (const auto& step : steps) ids.push_back(step.task_id);
    if (!outcome_.task_id.empty()) ids.push_back(outcome_.task_id);
    return make_film_tags(std::move(ids), steps.size() + 1);
  }

  /// Finds the steps of the film that the task continues, by comparing their files.
  Result<FilmSteps> find_parents(const media::Library& media, const OpenTask& open) {
    auto tasks = read_chain(settings_.ledger, settings_.request.extend_task_id.value_or(""),
                            session_.wakeup);
    // After an interruption the caller reads `interruption` and ignores the error.
    if (!tasks) return fail(Error{});
    if (!*tasks) return fail(std::move(tasks->error()));
    const auto& chain = **tasks;
    auto parent = open(chain.back());
    if (!parent) return fail(std::move(parent.error()));
    if (const auto format = media.probe(**parent); !format) return fail(format.error());
    if (film_->join == Join::append && chain.size() == 1)
      return FilmSteps{{.task_id = chain.back()}};
    return find_steps(media, chain, open);
  }

  /// Finds the step of the film with which the delivered file begins.
  Result<std::size_t> find_first_step(const media::Library& media, const FilmSteps& steps,
                                      media::ByteStream& own, const OpenTask& open) {
    const auto frames = media.count_frames(own);
    if (!frames) return fail(frames.error());
    if (film_->join == Join::replace) return std::size_t{0};
    auto parent = open(files_of(steps, steps.size()).front());
    if (!parent) return fail(std::move(parent.error()));
    const auto first = find_beginning(media, steps, film_->join, **parent, own, *frames, open);
    if (!first) return first;
    log::info(log::Category::film, "task ", log::text(outcome_.task_id), ", whose file of ",
              *frames, " frames begins with step ", *first + 1, ", is step ", steps.size() + 1);
    display_.tell({{"event", "join"},
                   {"task-id", outcome_.task_id},
                   {"join", *first == steps.size() ? "append" : "replace"},
                   {"frames", *frames},
                   {"contained-steps", steps.size() - *first}});
    if (*first < steps.size()) {
      display_.say("The delivered video contains " + std::to_string(steps.size() - *first) +
                   " of the earlier steps, so the film takes these steps from it.");
    }
    return first;
  }

  /// Adds a clip to the film. If that fails, returns the outcome of the run.
  std::optional<Outcome> add(FilmWriter& writer, Result<std::unique_ptr<media::ByteStream>> clip) {
    if (!clip) return fail_to_join(std::move(clip.error()));
    const auto added = writer.add(**clip);
    writer.report_notices(display_);
    if (!added) return fail_to_join(added.error());
    if (*added == Output::Written::interrupted) return report_interruption();
    return std::nullopt;
  }

  Outcome refuse_parent(Error error) {
    if (session_.interruption.happened()) return report_interruption();
    if (error.code == ErrorCode::bad_media) {
      error.message = "The video to continue cannot be joined: " + error.message +
                      " Nothing was sent, and nothing is paid. --clip-only asks for the "
                      "continuation alone.";
    } else {
      error.message = "The task to continue cannot be played: " + error.message +
                      " No continuation was submitted, and nothing is paid for one.";
    }
    return fail_with(error);
  }

  Outcome fail_to_join(Error error) {
    if (session_.interruption.happened()) return report_interruption();
    if (error.code == ErrorCode::bad_media) {
      error.message = "The continuation cannot be joined to what it continues: " + error.message;
    }
    return fail_with(attach_task(std::move(error)));
  }

  Outcome finish_dry_run() {
    const auto seen = reader_.snapshot();
    display_.say((seen.credits ? std::to_string(*seen.credits) + " credits"
                               : std::string("The catalog does not know the price")) +
                 (seen.reused ? ", but the task exists already, so a run pays nothing." : "."));
    return outcome_;
  }

  Outcome report_done(const Source::Snapshot& seen, const std::string& file) {
    display_.update(seen);
    outcome_.file = file;
    nlohmann::json event{{"event", "done"},
                         {"task-id", outcome_.task_id},
                         {"status", "completed"},
                         {"file", nullptr},
                         {"bytes", nullptr},
                         {"credits", nullptr},
                         {"reused", seen.reused},
                         {"polls", seen.job.polls},
                         {"requests", seen.job.requests + seen.clip.requests}};
    if (!file.empty()) event["file"] = file;
    if (!file.empty()) event["bytes"] = outcome_.bytes;
    if (seen.credits) event["credits"] = *seen.credits;
    display_.tell(std::move(event));
    if (file.empty()) {
      display_.say("Task " + outcome_.task_id + " is completed.");
    } else if (file.starts_with("/dev/fd/")) {
      // A pipe of the shell or to a player: its name means nothing to people.
      display_.say("Task " + outcome_.task_id + ": its whole video was handed over.");
    } else if (file != "-") {
      display_.say("Saved " + file + ", of task " + outcome_.task_id + ".");
    }
    return outcome_;
  }

  /// Adds the task to an error of the output. The task's video is paid, so the user can download it
  /// again.
  [[nodiscard]] Error attach_task(Error error) const {
    error.task_id = outcome_.task_id;
    error.charged = Charged::unknown;
    return error;
  }

  /// Returns the command that the user can type to continue with the task.
  [[nodiscard]] std::string resume_line(const std::string& task_id, bool can_be_joined) const {
    // `veo download` writes the continuation alone.
    if (film_ && can_be_joined)
      return "It is paid, and not lost. The same line again goes on with it to the film.";
    const std::string command = output_ ? "veo download" : "veo wait";
    const std::string flags = output_ ? " -o FILE" : "";
    const auto word = quote_for_shell(task_id);
    // Put an id that looks like a flag after --.
    return "It is paid, and not lost. To go on with it: " +
           (word.starts_with('-') ? command + flags + " -- " + word : command + " " + word + flags);
  }

  Outcome fail_with(const Error& error) {
    if (outcome_.task_id.empty()) outcome_.task_id = error.task_id;
    outcome_.exit_code = exit_code(error.code);
    display_.failed(error, suggest_next(error));
    return outcome_;
  }

  [[nodiscard]] std::string suggest_next(const Error& error) const {
    if (error.code == ErrorCode::submit_unknown) {
      return "Run this command again with --task-id=ID, or with --on-unknown=resubmit.";
    }
    const bool can_resume =
        error_row(error.code).keeps_task && !error.task_id.empty() && error.charged != Charged::no;
    return can_resume ? resume_line(error.task_id, error.code != ErrorCode::bad_media) : "";
  }

  Outcome report_interruption() {
    const auto seen = reader_.snapshot();
    outcome_.task_id = seen.job.task_id;
    outcome_.exit_code = exit_interrupted;
    std::string next;
    if (!outcome_.task_id.empty()) {
      next = "Task " + outcome_.task_id + " goes on without us. " +
             resume_line(outcome_.task_id, true);
    } else if (seen.job.phase == Job::Phase::submitting) {
      next =
          "If the submission has begun, it may be accepted and paid, and veo waits for its answer "
          "and records it. With the answer, the same line again goes on with the task. Without "
          "it, the same line says what is known, and submits nothing twice.";
    } else {
      next = "Nothing was sent, and nothing is paid.";
    }
    display_.interrupted(outcome_.task_id, next);
    return outcome_;
  }

  Session& session_;
  const Options settings_;
  std::optional<Output> output_;
  const std::optional<FilmRequest> film_;
  Display& display_;
  SourceReader reader_;
  Outcome outcome_;
  std::string told_;               // why the opening waits
  bool is_output_closed_ = false;  // the reader of the output has left
};

}  // namespace

Outcome run(Session& session, Options settings, std::optional<Output> output, Display& display,
            std::optional<FilmRequest> film) {
  return Delivery(session, std::move(settings), std::move(output), film, display).run();
}

}  // namespace veo::cli
