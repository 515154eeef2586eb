// SPDX-License-Identifier: LGPL-2.1-or-later
#include "line_runner.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>
#include <variant>

#include "batch_file.h"
#include "exit_code.h"
#include "output.h"
#include "veo/core/error_table.h"

namespace veo::cli {

using namespace std::chrono_literals;

void LineFailures::add(std::size_t line, Error error) {
  failures_.push_back({.line = line, .error = std::move(error)});
}

void LineFailures::say(Display& display, const std::string& path) {
  std::ranges::sort(failures_, {}, &Failure::line);
  bool is_unknown = false;
  for (const auto& [line, error] : failures_) {
    is_unknown = is_unknown || error.code == ErrorCode::submit_unknown;
    display.say(at_line(path, line, std::string(nick(error.code)) + ": " + error.message));
  }
  if (!is_unknown) return;
  display.say(
      "veo does not know whether the service accepted these submissions, so it does not repeat "
      "them. Look at your account. If it shows the task, add its \"task-id\" to that line. If it "
      "shows none, \"on-unknown\": \"resubmit\" submits the line again.");
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

std::size_t LineRunner::count_tasks() const {
  const auto count = std::ranges::count_if(running_, [](const RunningLine& running) {
    return !running.source->snapshot().job.task_id.empty();
  });
  return static_cast<std::size_t>(count);
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
  // After an interruption each wait fails, and none of these failures is one of the task.
  if (!session_.interruption.happened()) work_.on_failure(line, std::move(error));
  return Step::ended;
}

}  // namespace veo::cli
