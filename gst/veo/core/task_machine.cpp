// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/task_machine.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "veo/core/error_table.h"
#include "veo/core/task_id.h"

namespace veo {

using namespace std::chrono_literals;

namespace {

/// For this long after the submission, the service may not know the task yet, because its replicas
/// are not in step.
constexpr auto task_appears_within = 60s;

/// Anybody can send hints, so they cause at most one query in this time.
constexpr auto between_hinted_queries = 5s;

/// With callbacks enabled, polling is only a fallback for a lost callback, so only every third
/// scheduled poll is sent. If the callback is lost, the delay of the detection is then three times
/// the usual one with a learned model, and a third of the elapsed time without one. It is never
/// over a minute.
constexpr int polls_skipped = 2;
constexpr auto longest_skip = 60s;

}  // namespace

// All transitions. An event that is not in the table is a bug of the driver, and an assertion
// fails. The exception is `due`: a timer may come late, and then the machine stays in its state.
struct TaskMachine::Transition {
  State from;
  Event event;
  State to;
  Command::Kind command;
};

const TaskMachine::Transition TaskMachine::transitions[] = {
    {State::idle, Event::submit, State::submitting, Command::Kind::send_submission},
    {State::idle, Event::adopt, State::querying, Command::Kind::send_query},
    {State::idle, Event::succeeded, State::completed, Command::Kind::finish},

    {State::submitting, Event::accepted, State::waiting, Command::Kind::wait},
    {State::submitting, Event::again_later, State::held, Command::Kind::wait},
    {State::submitting, Event::refused, State::failed, Command::Kind::finish},

    {State::held, Event::due, State::submitting, Command::Kind::send_submission},
    {State::held, Event::expired, State::failed, Command::Kind::finish},

    {State::waiting, Event::due, State::querying, Command::Kind::send_query},
    {State::waiting, Event::expired, State::failed, Command::Kind::finish},

    {State::querying, Event::in_progress, State::waiting, Command::Kind::wait},
    {State::querying, Event::again_later, State::waiting, Command::Kind::wait},
    {State::querying, Event::succeeded, State::completed, Command::Kind::finish},
    {State::querying, Event::gave_up, State::failed, Command::Kind::finish},
    {State::querying, Event::expired, State::failed, Command::Kind::finish},
};

TaskMachine::Command TaskMachine::handle(Event event, Time now) {
  const auto* row = std::find_if(std::begin(transitions), std::end(transitions),
                                 [&](const Transition& candidate) {
                                   return candidate.from == state_ && candidate.event == event;
                                 });
  if (row == std::end(transitions)) {
    assert(event == Event::due);
    return {};
  }
  state_ = row->to;
  if (row->command == Command::Kind::wait) return wait_until(std::max(due_, now));
  if (row->command == Command::Kind::send_query && std::exchange(hinted_, false)) {
    next_hinted_query_ = now + between_hinted_queries;
  }
  return {row->command, started_ + settings_.generation_timeout};
}

TaskMachine::Command TaskMachine::wait_until(Time due) const {
  return {Command::Kind::wait, std::min(due, started_ + settings_.generation_timeout)};
}

bool TaskMachine::is_retry_allowed() const {
  return settings_.retries < 0 || attempts_ < static_cast<unsigned>(settings_.retries);
}

std::chrono::milliseconds TaskMachine::compute_poll_wait(Time now) const {
  // The learned times count from the submission. A task that was joined late has already run for
  // some time.
  const auto elapsed = now - submitted_.value_or(started_);
  return compute_poll_delay(std::chrono::duration_cast<std::chrono::milliseconds>(elapsed),
                            settings_.poll_interval, settings_.learned,
                            report_ ? compute_percent(report_->progress) : std::nullopt);
}

void TaskMachine::plan_poll(Time now) {
  due_ = now + compute_poll_wait(now);
  // If the user has set a fixed interval, no poll is skipped.
  if (settings_.is_called_back && settings_.poll_interval == 0ms) {
    for (int i = 0; i < polls_skipped; ++i) due_ += compute_poll_wait(due_);
    due_ = std::min(due_, now + longest_skip);
  }
  if (hinted_) due_ = std::min(due_, std::max(now, next_hinted_query_));
}

void TaskMachine::plan_retry(Time now, double random,
                             std::optional<std::chrono::seconds> retry_after) {
  due_ = now + settings_.backoff.compute_delay(attempts_++, random, retry_after);
  ++total_retries_;
}

std::string TaskMachine::make_resume_hint() const {
  return " The task goes on at the service, and stays paid: play it later with " +
         make_task_property(task_id_) + ".";
}

void TaskMachine::fail_with(Error error) {
  if (error.task_id.empty()) error.task_id = task_id_;
  error_ = std::move(error);
  trouble_.reset();
}

TaskMachine::Command TaskMachine::submit(Time now) {
  started_ = now;
  return handle(Event::submit, now);
}

TaskMachine::Command TaskMachine::adopt(std::string task_id, Time now,
                                        std::optional<Time> submitted) {
  task_id_ = std::move(task_id);
  submitted_ = submitted;
  started_ = now;
  return handle(Event::adopt, now);
}

TaskMachine::Command TaskMachine::conclude(TaskReport report, Time now) {
  task_id_ = report.id;
  report_ = std::move(report);
  return handle(Event::succeeded, now);
}

TaskMachine::Command TaskMachine::on_submitted(Submitted outcome, Time now, double random) {
  switch (outcome.kind) {
    case Submitted::Kind::accepted:
      task_id_ = std::move(outcome.task_id);
      submitted_ = now;
      attempts_ = 0;
      trouble_.reset();
      // The generation timeout counts from the acceptance, without the time for the submission.
      started_ = now;
      plan_poll(now);
      return handle(Event::accepted, now);
    case Submitted::Kind::not_sent:
    case Submitted::Kind::rate_limited:
      if (is_retry_allowed() && is_passing(outcome.error)) {
        plan_retry(now, random, outcome.retry_after);
        trouble_ = std::move(outcome.error);
        return handle(Event::again_later, now);
      }
      break;
    case Submitted::Kind::refused:
    case Submitted::Kind::unknown:
      break;
  }
  fail_with(std::move(outcome.error));
  return handle(Event::refused, now);
}

TaskMachine::Command TaskMachine::on_queried(Result<TaskReport> answer,
                                             std::optional<std::chrono::seconds> retry_after,
                                             Time now, double random) {
  if (state_ != State::querying) return {};
  if (answer) {
    attempts_ = 0;
    trouble_.reset();
    report_ = std::move(*answer);
    if (report_->status == TaskStatus::completed) return handle(Event::succeeded, now);
    if (report_->status == TaskStatus::failed) {
      fail_with(report_->failure.value_or(Error{.code = ErrorCode::task_failed}));
      return handle(Event::gave_up, now);
    }
    if (now >= started_ + settings_.generation_timeout) return on_timer(now);
    plan_poll(now);
    return handle(Event::in_progress, now);
  }
  Error error = std::move(answer.error());
  const bool may_appear = error.code == ErrorCode::task_not_found && submitted_ &&
                          now < *submitted_ + task_appears_within;
  if (may_appear) {
    // This is not a failure yet. So it is not a retry, and the next query comes as for a running
    // task.
    plan_poll(now);
    trouble_ = std::move(error);
    return handle(Event::again_later, now);
  }
  // Also repeat a query whose error is final: it costs nothing, and a lost task costs money.
  if (error_row(error.code).is_passing) {
    plan_retry(now, random, retry_after);
    trouble_ = std::move(error);
    return handle(Event::again_later, now);
  }
  // The query has failed for good, but the service has accepted the task, and it may be paid.
  if (error.charged == Charged::no) error.charged = Charged::unknown;
  error.message = "Task " + task_id_ + " could not be followed. " + error.message;
  if (error.code != ErrorCode::task_not_found) error.message += make_resume_hint();
  fail_with(std::move(error));
  return handle(Event::gave_up, now);
}

TaskMachine::Command TaskMachine::on_timer(Time now) {
  if (state_ != State::held && state_ != State::waiting && state_ != State::querying) return {};
  if (now >= started_ + settings_.generation_timeout) {
    const auto limit = std::to_string(settings_.generation_timeout.count()) + " s";
    if (task_id_.empty()) {
      Error error = trouble_.value_or(Error{});
      error.message = "The request could not be submitted within " + limit +
                      "; nothing was sent. " + error.message;
      error.code = ErrorCode::timeout;
      error.charged = Charged::no;
      fail_with(std::move(error));
    } else {
      fail_with({.code = ErrorCode::timeout,
                 .message = "Task " + task_id_ + " was not finished within " + limit + "." +
                            (trouble_ ? " When it was last asked for: " + trouble_->message : "") +
                            make_resume_hint(),
                 .charged = Charged::unknown});
    }
    return handle(Event::expired, now);
  }
  if (state_ == State::querying) return {};
  if (now < due_) return wait_until(due_);
  return handle(Event::due, now);
}

TaskMachine::Command TaskMachine::on_hint(Time now) {
  hinted_ = true;
  const auto due = std::max(now, next_hinted_query_);
  if (state_ != State::waiting || trouble_ || due_ <= due) return {};
  due_ = due;
  return on_timer(now);
}

TaskStatus TaskMachine::status() const {
  switch (state_) {
    case State::idle:
    case State::submitting:
    case State::held:
      return TaskStatus::none;
    case State::completed:
      return TaskStatus::completed;
    case State::failed:
      return TaskStatus::failed;
    case State::waiting:
    case State::querying:
      break;
  }
  return report_ ? report_->status : TaskStatus::pending;
}

std::optional<int> compute_percent(std::optional<double> progress) {
  if (!progress || !(*progress >= 0.0) || *progress > 100.0) return std::nullopt;
  return static_cast<int>(*progress < 1.0 ? *progress * 100.0 : *progress);
}

std::string_view nick(TaskMachine::State state) {
  constexpr std::string_view nicks[] = {"idle",     "submitting", "held",  "waiting",
                                        "querying", "completed",  "failed"};
  return nicks[static_cast<std::size_t>(state)];
}

}  // namespace veo
