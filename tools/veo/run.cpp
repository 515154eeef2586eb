// SPDX-License-Identifier: LGPL-2.1-or-later
#include "run.h"

#include <chrono>
#include <utility>
#include <variant>

#include "exit_code.h"
#include "veo/client/access.h"

namespace veo::cli {

namespace {

using namespace std::chrono_literals;

constexpr auto redraw_each = 250ms;
constexpr auto look_each = 1s;  // without a terminal nothing moves by itself
constexpr std::size_t piece = 256U << 10U;

/// Whether what is read comes into the cache.
bool is_kept() { return environment::get("VEO_CACHE_SIZE").value_or("") != "0"; }

class Delivery {
 public:
  Delivery(Session& session, Source::Settings settings, std::optional<Output> output,
           Display& display)
      : session_(session),
        settings_(std::move(settings)),
        output_(std::move(output)),
        display_(display) {}

  Outcome run() {
    auto opened = Source::open(settings_, session_.wakeup);
    if (!opened) return fail_with(opened.error());
    source_ = std::move(*opened);
    display_.update(source_->snapshot());
    source_->start();
    if (settings_.dry_run) return priced();
    for (;;) {
      const auto ticket = session_.wakeup->ticket();
      const auto seen = source_->snapshot();
      display_.update(seen);
      outcome_.task_id = seen.job.task_id;
      if (!output_) {
        if (seen.job.error) return fail_with(*seen.job.error);
        if (seen.job.phase == Job::Phase::completed) return done(seen, "");
      } else if (auto ended = deliver()) {
        return *ended;
      } else if (moved_) {
        continue;
      }
      const auto until =
          std::chrono::steady_clock::now() + (display_.moves() ? redraw_each : look_each);
      if (!session_.wakeup->wait(ticket, until)) return interrupted();
    }
  }

 private:
  /// Passes on what is there, if anything is.
  std::optional<Outcome> deliver() {
    moved_ = false;
    if (session_.interruption.happened()) return interrupted();
    auto there = source_->at(outcome_.bytes);
    if (const auto* error = std::get_if<Error>(&there)) return fail_with(*error);
    if (std::holds_alternative<Clip::End>(there)) return finish();
    const auto* ready = std::get_if<Clip::Ready>(&there);
    if (ready == nullptr) return std::nullopt;
    auto taken = source_->take(outcome_.bytes, std::min<std::uint64_t>(ready->size, piece));
    if (!taken) return fail_with(taken.error());
    moved_ = true;
    outcome_.bytes += taken->bytes.size();
    if (reader_has_gone_) return std::nullopt;
    const auto written = output_->write(taken->bytes);
    if (!written) return fail_with(with_task(written.error()));
    if (*written == Output::Written::interrupted) return interrupted();
    reader_has_gone_ = *written == Output::Written::closed;
    // What is paid is kept: the rest comes into the cache, for who asks again.
    if (reader_has_gone_ && !is_kept()) return outcome_;
    return std::nullopt;
  }

  Outcome finish() {
    if (reader_has_gone_) return outcome_;
    auto file = output_->finish(outcome_.task_id + ".mp4");
    if (!file) return fail_with(with_task(file.error()));
    return done(source_->snapshot(), *file);
  }

  Outcome priced() {
    const auto seen = source_->snapshot();
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

  /// A file that could not be written says nothing of the video.
  [[nodiscard]] Error with_task(Error error) const {
    error.task_id = outcome_.task_id;
    error.charged = Charged::unknown;
    return error;
  }

  /// What to type to go on with a task that is there.
  [[nodiscard]] std::string resume_line(const std::string& task_id) const {
    const auto what = output_ ? "veo download " + task_id + " -o FILE" : "veo wait " + task_id;
    return "It is paid, and not lost. To go on with it: " + what;
  }

  Outcome fail_with(const Error& error) {
    if (outcome_.task_id.empty()) outcome_.task_id = error.task_id;
    outcome_.exit_code = exit_code(error.code);
    display_.failed(error, next_of(error));
    return outcome_;
  }

  [[nodiscard]] std::string next_of(const Error& error) const {
    switch (error.code) {
      case ErrorCode::submit_unknown:
        return "As flags of this command: --task-id=ID, or --on-unknown=resubmit.";
      case ErrorCode::task_failed:
      case ErrorCode::task_not_found:
        return "";
      default:
        break;
    }
    return error.task_id.empty() || error.charged == Charged::no ? "" : resume_line(error.task_id);
  }

  Outcome interrupted() {
    const auto seen = source_->snapshot();
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
    display_.say("Interrupted. " + next);
    nlohmann::json event{{"event", "interrupted"},
                         {"task-id", nullptr},
                         {"exit-code", exit_interrupted},
                         {"next", next}};
    if (!outcome_.task_id.empty()) event["task-id"] = outcome_.task_id;
    display_.tell(std::move(event));
    return outcome_;
  }

  Session& session_;
  const Source::Settings settings_;
  std::optional<Output> output_;
  Display& display_;
  std::unique_ptr<Source> source_;
  Outcome outcome_;
  bool moved_ = false;
  bool reader_has_gone_ = false;
};

}  // namespace

Outcome run(Session& session, Source::Settings settings, std::optional<Output> output,
            Display& display) {
  return Delivery(session, std::move(settings), std::move(output), display).run();
}

}  // namespace veo::cli
