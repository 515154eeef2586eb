// SPDX-License-Identifier: LGPL-2.1-or-later
#include "line_runner.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>
#include <variant>

#include "batch_file.h"
#include "display_text.h"
#include "exit_code.h"
#include "output.h"
#include "veo/core/error_table.h"

namespace veo::cli {

using namespace std::chrono_literals;

void LineFailures::add(std::size_t line, Error error) {
  failures_.push_back({.line = line, .error = std::move(error)});
}

bool LineFailures::has_unknown() const {
  return std::ranges::any_of(failures_, [](const Failure& failure) {
    return failure.error.code == ErrorCode::submit_unknown;
  });
}

void LineFailures::say(Display& display, const std::string& path) {
  std::ranges::sort(failures_, {}, &Failure::line);
  for (const auto& [line, error] : failures_) {
    display.say(at_line(path, line, std::string(nick(error.code)) + ": " + error.message));
  }
  if (!has_unknown()) return;
  display.say("In " + path +
              ", task-id is the member \"task-id\": \"ID\" of the line, and on-unknown=resubmit is "
              "the member \"on-unknown\": \"resubmit\".");
}

int LineFailures::exit_code() const {
  if (failures_.empty()) return exit_success;
  const auto rank = [](const Failure& failure) -> int {
    return error_row(failure.error.code).batch_rank;
  };
  return cli::exit_code(std::ranges::min_element(failures_, {}, rank)->error.code);
}

bool LineRunner::run() {
  const auto next_redraw = [this] {
    return std::chrono::steady_clock::now() + (display_.moves() ? redraw_interval : 60s);
  };
  const auto has_ended = session_.wakeup->wait_for([this] { return advance_all(); }, next_redraw);
  return has_ended.value_or(false);
}

void LeftWork::add(std::size_t line, const LinePrice& price, const RunningLine* running) {
  const auto job = running != nullptr ? running->source->snapshot().job : Job::Snapshot{};
  const bool ended_unknown = job.error && job.error->code == ErrorCode::submit_unknown;
  if (job.phase == Job::Phase::generating && !job.task_id.empty()) {
    tasks_.push_back(job.task_id + " (line " + std::to_string(line) + ")");
  } else if (price.is_unknown) {
    ++unknown_;
  } else if (job.phase == Job::Phase::submitting || ended_unknown) {
    ++unanswered_;
  } else if (price.is_paid || job.phase == Job::Phase::completed) {
    ++paid_;
  } else {
    cost_.add(price);
  }
}

std::string LeftWork::describe(const std::string& thing) const {
  constexpr std::size_t most_names = 8;
  std::string text;
  if (!tasks_.empty()) {
    text += count_text(tasks_.size(), "task") + (tasks_.size() == 1 ? " goes" : " go") +
            " on without us: ";
    for (std::size_t i = 0; i < std::min(tasks_.size(), most_names); ++i) {
      text += (i > 0 ? ", " : "") + tasks_[i];
    }
    if (tasks_.size() > most_names) {
      text += ", and " + std::to_string(tasks_.size() - most_names) + " more (veo history)";
    }
    text += ". ";
  }
  if (paid_ > 0) {
    text += count_text(paid_, thing) + (paid_ == 1 ? " is" : " are") + " paid already. ";
  }
  if (unanswered_ > 0) {
    text += count_text(unanswered_, "submission") +
            (unanswered_ == 1 ? " has no answer yet, and may be accepted and paid. "
                              : " have no answer yet, and may be accepted and paid. ");
  }
  if (unknown_ > 0) {
    text += count_text(unknown_, "earlier submission") +
            (unknown_ == 1 ? " is unknown, and may be paid. " : " are unknown, and may be paid. ");
  }
  if (cost_.to_submit() > 0) {
    text += count_text(cost_.to_submit(), thing) +
            (cost_.to_submit() == 1 ? " was not submitted: it still costs "
                                    : " were not submitted: they still cost ") +
            cost_.describe() + ". ";
  }
  return text + (unanswered_ + unknown_ > 0
                     ? "The same line again says what is known of the submissions without an "
                       "answer, and submits none of them twice."
                     : "The same line again goes on there, and pays nothing twice.");
}

const RunningLine* LineRunner::find(std::size_t line) const {
  const auto found = std::ranges::find(running_, line, &RunningLine::line);
  return found == running_.end() ? nullptr : &*found;
}

/// Advances each line until all lines wait. Returns true when all lines have ended, and false after
/// an interruption.
std::optional<bool> LineRunner::advance_all() {
  for (bool moved = true; moved;) {
    if (session_.interruption.happened()) return false;
    start_more();
    moved = false;
    for (auto running = running_.begin(); running != running_.end();) {
      const auto step = advance(*running);
      moved = moved || step != Step::waits;
      running = step == Step::ended ? running_.erase(running) : std::next(running);
    }
    work_.show(running_.size());
  }
  // Nothing runs, and start_more() has found nothing to run: no line waits for another one.
  if (running_.empty() && !session_.interruption.happened()) return true;
  return std::nullopt;
}

void LineRunner::start_more() {
  while (running_.size() < jobs_) {
    auto next = work_.take_next();
    if (!next) return;
    auto opened = Source::open(std::move(next->settings), session_.wakeup);
    if (!opened) return;  // interrupted
    if (!*opened) {
      fail_line(next->line, std::move(opened->error()));
      continue;
    }
    (**opened)->start();
    running_.push_back({.line = next->line, .source = std::move(**opened)});
  }
}

/// Hands over the bytes of the video that have arrived, if there are any.
LineRunner::Step LineRunner::advance(RunningLine& running) {
  work_.on_change(running);
  auto there = running.source->at(running.bytes);
  if (auto* error = std::get_if<Error>(&there)) return fail_line(running.line, std::move(*error));
  if (std::holds_alternative<Clip::Pending>(there)) return Step::waits;
  // The task is completed, so a failure from here on concerns a video that is paid.
  const auto fail_paid = [&](Error error) {
    error.task_id = running.source->snapshot().job.task_id;
    error.charged = Charged::unknown;
    return fail_line(running.line, std::move(error));
  };
  const auto* ready = std::get_if<Clip::Ready>(&there);
  if (ready == nullptr) {
    auto completed = work_.on_complete(running);
    return completed ? Step::ended : fail_paid(std::move(completed.error()));
  }
  auto taken =
      running.source->take(running.bytes, std::min<std::uint64_t>(ready->size, largest_piece));
  if (!taken) return fail_paid(std::move(taken.error()));
  auto done = work_.on_bytes(running, taken->bytes);
  if (!done) return fail_paid(std::move(done.error()));
  running.bytes += taken->bytes.size();
  return Step::moved;
}

LineRunner::Step LineRunner::fail_line(std::size_t line, Error error) {
  // After an interruption each wait fails, and none of these failures is one of the task. The line
  // stays in the list, because the last words count the lines that ran.
  if (session_.interruption.happened()) return Step::waits;
  work_.on_failure(line, std::move(error));
  return Step::ended;
}

}  // namespace veo::cli
