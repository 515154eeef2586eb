// SPDX-License-Identifier: LGPL-2.1-or-later
#include "run.h"

#include <chrono>
#include <utility>

#include "exit_code.h"
#include "film_writer.h"
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

constexpr auto redraw_each = 250ms;
constexpr auto look_each = 1s;  // without a terminal nothing is redrawn
constexpr std::size_t piece = 256U << 10U;

/// Whether clips come into the cache.
bool is_kept() { return environment::get("VEO_CACHE_SIZE").value_or("") != "0"; }

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
           std::optional<Join> film, Display& display)
      : session_(session),
        settings_(std::move(settings)),
        output_(std::move(output)),
        film_(film),
        display_(display),
        reader_(session.wakeup) {}

  Outcome run() {
    const auto opened = reader_.open(settings_);
    if (!opened) return interrupted();
    if (!*opened) return fail_with(opened->error());
    display_.update(**opened);
    if (output_ && film_) return run_film();
    reader_.start();
    if (settings_.dry_run) return priced();
    if (output_) return deliver_file();
    if (auto ended = await_completion()) return *ended;
    return done(reader_.snapshot(), "");
  }

 private:
  /// What the terminal shows while the reader waits.
  SourceReader::Watch watch() {
    const auto show = [this](const Source::Snapshot& seen) {
      display_.update(seen);
      outcome_.task_id = seen.job.task_id;
    };
    return {.on_change = show, .interval = display_.moves() ? redraw_each : look_each};
  }

  /// nullopt: the task is completed.
  std::optional<Outcome> await_completion() {
    const auto completed = reader_.wait_for_completion(watch());
    if (!completed) return interrupted();
    if (!*completed) return fail_with(completed->error());
    return std::nullopt;
  }

  // --- a file as it was delivered ---

  Outcome deliver_file() {
    for (;;) {
      const auto taken = reader_.take(outcome_.bytes, piece, watch());
      if (!taken) return interrupted();
      if (!*taken) return fail_with(taken->error());
      const auto bytes = (*taken)->bytes;
      if (bytes.empty()) return finish();
      outcome_.bytes += bytes.size();
      if (has_left_) continue;
      const auto written = output_->write(bytes);
      if (!written) return fail_with(with_task(written.error()));
      if (*written == Output::Written::interrupted) return interrupted();
      has_left_ = *written == Output::Written::closed;
      // The video is paid: the rest comes into the cache, for a later request.
      if (has_left_ && !is_kept()) return outcome_;
    }
  }

  Outcome finish() {
    if (has_left_) return outcome_;
    auto file = output_->finish(make_task_file_stem(outcome_.task_id) + ".mp4");
    if (!file) return fail_with(with_task(file.error()));
    return done(reader_.snapshot(), *file);
  }

  // --- a film ---

  Outcome run_film() {
    const auto open = [this](const std::string& id) {
      return SourceStream::open_task(settings_, id, session_.wakeup);
    };
    // Nothing is paid for a continuation that could not be joined.
    const auto loaded = media::load();
    if (!loaded) return refuse_parent(loaded.error());
    const auto& media = **loaded;
    FilmSteps steps;
    if (*film_ != Join::replace) {
      auto found = find_parents(media, open);
      if (!found) return refuse_parent(std::move(found.error()));
      steps = std::move(*found);
    }
    reader_.start();
    FilmWriter writer(media, *output_);
    const auto so_far = files_of(steps, steps.size());
    if (*film_ == Join::append) {
      for (const auto& id : so_far) {
        if (auto ended = add(writer, open(id))) return *ended;
      }
    }
    if (auto ended = await_completion()) {
      static_cast<void>(writer.finish());  // a pipe has the parent, to its last frame
      return *ended;
    }
    SourceStream own(reader_.source(), session_.wakeup);
    if (*film_ != Join::append) {
      auto first = find_own(media, steps, own, open);
      if (!first) return fail_to_join(std::move(first.error()));
      const auto before = files_of(steps, *first);
      if (before.empty()) return deliver_file();
      for (const auto& id : before) {
        if (auto ended = add(writer, open(id))) return *ended;
      }
    }
    ShownStream shown(own, *reader_.source(), display_);
    const auto added = writer.add(shown);
    if (!added) return fail_to_join(added.error());
    if (*added == Output::Written::interrupted) return interrupted();
    const auto rest = writer.finish();
    if (!rest) return fail_to_join(rest.error());
    if (*rest == Output::Written::interrupted) return interrupted();
    has_left_ = !writer.has_reader();
    outcome_.bytes = writer.bytes();
    return finish();
  }

  /// Finds the steps of the film that is continued, by what the files show.
  Result<FilmSteps> find_parents(const media::Library& media, const OpenTask& open) {
    auto tasks = read_chain(settings_.ledger, settings_.request.extend_task_id.value_or(""),
                            session_.wakeup);
    // Interrupted: the caller asks `interruption`, not the error.
    if (!tasks) return fail(Error{});
    if (!*tasks) return fail(std::move(tasks->error()));
    const auto& chain = **tasks;
    auto parent = open(chain.back());
    if (!parent) return fail(std::move(parent.error()));
    if (const auto format = media.probe(**parent); !format) return fail(format.error());
    if (*film_ == Join::append && chain.size() == 1) return FilmSteps{{.task_id = chain.back()}};
    return find_steps(media, chain, open);
  }

  /// Finds the step of the film with which the delivered file begins.
  Result<std::size_t> find_own(const media::Library& media, const FilmSteps& steps,
                               media::ByteStream& own, const OpenTask& open) {
    const auto frames = media.count_frames(own);
    if (!frames) return fail(frames.error());
    if (*film_ == Join::replace) return std::size_t{0};
    auto parent = open(files_of(steps, steps.size()).front());
    if (!parent) return fail(std::move(parent.error()));
    const auto first = find_beginning(media, steps, *film_, **parent, own, *frames, open);
    if (!first) return first;
    log::info(log::Category::film, "task ", log::text(outcome_.task_id), ", whose file of ",
              *frames, " frames begins with step ", *first + 1, ", is step ", steps.size() + 1);
    display_.tell({{"event", "join"},
                   {"task-id", outcome_.task_id},
                   {"join", *first == steps.size() ? "append" : "replace"},
                   {"frames", *frames},
                   {"contained-steps", steps.size() - *first}});
    if (*first < steps.size()) {
      display_.say("The delivered video holds " + std::to_string(steps.size() - *first) +
                   " of the steps before it, which come from it.");
    }
    return first;
  }

  /// nullopt: the clip is in the film.
  std::optional<Outcome> add(FilmWriter& writer, Result<std::unique_ptr<media::ByteStream>> clip) {
    if (!clip) return fail_to_join(std::move(clip.error()));
    const auto added = writer.add(**clip);
    if (!added) return fail_to_join(added.error());
    if (*added == Output::Written::interrupted) return interrupted();
    return std::nullopt;
  }

  Outcome refuse_parent(Error error) {
    if (session_.interruption.happened()) return interrupted();
    error.message = "The video to continue cannot be joined: " + error.message +
                    " Nothing was submitted. --clip-only asks for the continuation alone.";
    return fail_with(error);
  }

  Outcome fail_to_join(Error error) {
    if (session_.interruption.happened()) return interrupted();
    if (error.code == ErrorCode::bad_media) {
      error.message = "The continuation cannot be joined to what it continues: " + error.message;
    }
    return fail_with(with_task(std::move(error)));
  }

  Outcome priced() {
    const auto seen = reader_.snapshot();
    display_.say((seen.credits ? std::to_string(*seen.credits) + " credits"
                               : std::string("The catalog does not know the price")) +
                 (seen.reused ? ", but a run would find its task, and pay nothing." : "."));
    return outcome_;
  }

  Outcome done(const Source::Snapshot& seen, const std::string& file) {
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
    } else if (file != "-") {
      display_.say("Saved " + file + ", of task " + outcome_.task_id + ".");
    }
    return outcome_;
  }

  /// A file could not be written: that says nothing of the video, which is paid.
  [[nodiscard]] Error with_task(Error error) const {
    error.task_id = outcome_.task_id;
    error.charged = Charged::unknown;
    return error;
  }

  /// What the user types to go on with a task.
  [[nodiscard]] std::string resume_line(const std::string& task_id) const {
    const std::string command = output_ ? "veo download" : "veo wait";
    const std::string flags = output_ ? " -o FILE" : "";
    const auto word = quote_for_shell(task_id);
    // An id that looks like a flag stands behind --.
    return "It is paid, and not lost. To go on with it: " +
           (word.starts_with('-') ? command + flags + " -- " + word : command + " " + word + flags);
  }

  Outcome fail_with(const Error& error) {
    if (outcome_.task_id.empty()) outcome_.task_id = error.task_id;
    outcome_.exit_code = exit_code(error.code);
    display_.failed(error, next_of(error));
    return outcome_;
  }

  [[nodiscard]] std::string next_of(const Error& error) const {
    if (error.code == ErrorCode::submit_unknown) {
      return "As flags of this command: --task-id=ID, or --on-unknown=resubmit.";
    }
    const bool can_resume =
        error_row(error.code).keeps_task && !error.task_id.empty() && error.charged != Charged::no;
    return can_resume ? resume_line(error.task_id) : "";
  }

  Outcome interrupted() {
    const auto seen = reader_.snapshot();
    outcome_.task_id = seen.job.task_id;
    outcome_.exit_code = exit_interrupted;
    std::string next;
    if (!outcome_.task_id.empty()) {
      next = "Task " + outcome_.task_id + " goes on without us. " + resume_line(outcome_.task_id);
    } else if (seen.job.phase == Job::Phase::submitting) {
      next =
          "If the submission has left, its answer is awaited and recorded. The same line goes on.";
    } else {
      next = "Nothing was sent.";
    }
    display_.interrupted(outcome_.task_id, next);
    return outcome_;
  }

  Session& session_;
  const Options settings_;
  std::optional<Output> output_;
  const std::optional<Join> film_;
  Display& display_;
  SourceReader reader_;
  Outcome outcome_;
  bool has_left_ = false;  // whoever reads the output
};

}  // namespace

Outcome run(Session& session, Options settings, std::optional<Output> output, Display& display,
            std::optional<Join> film) {
  return Delivery(session, std::move(settings), std::move(output), film, display).run();
}

}  // namespace veo::cli
