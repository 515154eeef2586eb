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

/// For this long after the first answer `completed` without a URL, the video may still appear.
constexpr auto video_appears_within = 60s;
constexpr auto between_queries_for_video = 5s;

/// The time for the last query, which the machine sends or awaits after the generation timeout.
constexpr auto last_query_within = 15s;
/// If the poll interval is longer than this, an answer of this age is too old to end the task.
constexpr auto oldest_last_answer = 10s;
/// No query takes longer than this while the process runs (Service).
constexpr auto longest_query = 61s;
/// A timer that is so late shows that the process was stopped.
constexpr auto latest_timer = 1s;
/// After a stop, the last query is repeated for this long if it fails.
constexpr auto recovery_time = 60s;

Error make_no_video_error(const std::string& task_id) {
  return {.code = ErrorCode::task_failed,
          .message = "The service finished task " + task_id +
                     ", but delivered no video. The usual reason is a safety filter that refused "
                     "the video. It is not known whether the service refunded the credits. The "
                     "request is never submitted again by itself: set take=2 (or the next number) "
                     "to pay for another video.",
          .charged = Charged::unknown};
}

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
  if (row->command == Command::Kind::wait) return wait_until(std::max(due_, now), now);
  if (row->command == Command::Kind::send_query) {
    asked_ = now;
    if (std::exchange(hinted_, false)) next_hinted_query_ = now + between_hinted_queries;
  }
  armed_ = std::max(now, find_limit());
  return {row->command, find_limit()};
}

TaskMachine::Command TaskMachine::wait_until(Time due, Time now) {
  const auto until = std::min(due, find_limit());
  armed_ = std::max(now, until);
  return {Command::Kind::wait, until};
}

/// Returns when the generation timeout is over.
TaskMachine::Time TaskMachine::find_end() const { return started_ + settings_.generation_timeout; }

/// Returns when the machine gives up, unless it finds out before that the process was stopped.
TaskMachine::Time TaskMachine::find_limit() const {
  auto limit = std::max({find_end(), extended_, recovers_until_});
  if (no_video_since_) {
    limit = std::max(limit, *no_video_since_ + video_appears_within + last_query_within);
  }
  return limit;
}

bool TaskMachine::is_out_of_time(Time now) const { return !no_video_since_ && now >= find_end(); }

/// Whether the newest answer is young enough to end the task. Its age counts from its query: the
/// answer may have waited in the socket while the process was stopped. Every query that was sent
/// after the end is the last one, however long the service took to answer it.
bool TaskMachine::is_newest_answer_recent(Time now) const {
  if (asked_ == Time::min()) return false;
  const auto most = asked_ >= find_end() ? std::chrono::milliseconds(longest_query)
                                         : std::min<std::chrono::milliseconds>(
                                               compute_poll_wait(now), oldest_last_answer);
  return now - asked_ <= most;
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

void TaskMachine::set_trouble(Error error) {
  // The machine itself tries again, so "Try again later" would be no advice.
  error.message = without_advice(std::move(error.message), error.code);
  trouble_ = std::move(error);
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
                                        std::optional<Time> submitted, Finding finding) {
  task_id_ = std::move(task_id);
  submitted_ = submitted;
  finding_ = finding;
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
        set_trouble(std::move(outcome.error));
        return handle(Event::again_later, now);
      }
      if (attempts_ > 0) {
        outcome.error.message +=
            " The submission was tried " + std::to_string(attempts_ + 1) + " times.";
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
  auto event = Event::in_progress;
  bool may_repeat = false;
  if (answer) {
    attempts_ = 0;
    trouble_.reset();
    report_ = std::move(*answer);
    if (report_->status == TaskStatus::failed) {
      no_video_since_.reset();
      fail_with(report_->failure.value_or(Error{.code = ErrorCode::task_failed}));
      return handle(Event::gave_up, now);
    }
    if (report_->status == TaskStatus::completed) {
      return report_->urls.empty() ? wait_for_video(now) : handle(Event::succeeded, now);
    }
    no_video_since_.reset();
    plan_poll(now);
  } else if (finding_ == Finding::no_video) {
    // An earlier run has waited for the video already, and no answer contradicts that run.
    no_video_since_ = now;
    fail_with(make_no_video_error(task_id_));
    return handle(Event::gave_up, now);
  } else {
    Error error = std::move(answer.error());
    const bool may_appear = error.code == ErrorCode::task_not_found && submitted_ &&
                            now < *submitted_ + task_appears_within;
    // Also repeat a query whose error is final: it costs nothing, and a lost task costs money.
    if (!may_appear && !error_row(error.code).is_passing) {
      // The query has failed for good, but the service has accepted the task, and it may be paid.
      no_video_since_.reset();
      if (error.charged == Charged::no) error.charged = Charged::unknown;
      error.message = "Task " + task_id_ + " could not be followed. " + error.message;
      if (error.code != ErrorCode::task_not_found) error.message += make_resume_hint();
      fail_with(std::move(error));
      return handle(Event::gave_up, now);
    }
    event = Event::again_later;
    may_repeat = now < recovers_until_;
    if (may_appear) {
      // This is not a failure yet. So it is not a retry, and the next query comes as for a running
      // task.
      plan_poll(now);
    } else {
      plan_retry(now, random, retry_after);
    }
    set_trouble(std::move(error));
  }
  if (is_out_of_time(now) && !may_repeat) {
    if (is_newest_answer_recent(now)) return expire(now);
    due_ = now;
  }
  return handle(event, now);
}

/// The service has completed the task, but its answer has no URL.
TaskMachine::Command TaskMachine::wait_for_video(Time now) {
  if (!no_video_since_) no_video_since_ = now;
  const auto end = *no_video_since_ + video_appears_within;
  // An answer can wait in the socket for a long time, so the minute ends with a query that was sent
  // after it.
  if (finding_ == Finding::no_video || asked_ >= end) {
    fail_with(make_no_video_error(task_id_));
    return handle(Event::gave_up, now);
  }
  const auto wait = settings_.poll_interval > 0ms
                        ? settings_.poll_interval
                        : std::chrono::milliseconds(between_queries_for_video);
  due_ = std::max(now, std::min(now + wait, end));
  trouble_ = Error{.code = ErrorCode::bad_response,
                   .message = "The service says that task " + task_id_ +
                              " is completed, but names no video. The service is asked again for "
                              "a minute.",
                   .task_id = task_id_,
                   .charged = Charged::unknown};
  return handle(Event::again_later, now);
}

TaskMachine::Command TaskMachine::on_timer(Time now) {
  if (state_ != State::held && state_ != State::waiting && state_ != State::querying) return {};
  if (now >= find_limit()) {
    const bool was_stopped = now >= armed_ + latest_timer;
    return task_id_.empty() ? expire(now) : ask_last(was_stopped, now);
  }
  if (state_ == State::querying) return wait_until(find_limit(), now);
  if (now < due_) return wait_until(due_, now);
  return handle(Event::due, now);
}

/// The time is over. Sends a last query, or awaits it, unless an answer has decided already.
TaskMachine::Command TaskMachine::ask_last(bool was_stopped, Time now) {
  if (was_stopped) recovers_until_ = now + recovery_time;
  if (state_ == State::querying) {
    // If the process was stopped, the answer may lie in the socket.
    extended_ = std::max(extended_, asked_ + last_query_within);
    return now < find_limit() ? wait_until(find_limit(), now) : expire(now);
  }
  if (is_newest_answer_recent(now)) return expire(now);
  extended_ = now + last_query_within;
  return handle(Event::due, now);
}

TaskMachine::Command TaskMachine::expire(Time now) {
  const auto limit = std::to_string(settings_.generation_timeout.count()) + " s";
  no_video_since_.reset();
  if (task_id_.empty()) {
    Error error = trouble_.value_or(Error{});
    error.message = "The request could not be submitted within " + limit + "." +
                    (trouble_ ? " The last try: " + error.message : "");
    error.code = ErrorCode::timeout;
    error.charged = Charged::no;
    fail_with(with_cost(std::move(error)));
  } else {
    fail_with({.code = ErrorCode::timeout,
               .message = "Task " + task_id_ + " was not finished within " + limit + "." +
                          (trouble_ ? " When it was last asked for: " + trouble_->message : "") +
                          make_resume_hint(),
               .charged = Charged::unknown});
  }
  return handle(Event::expired, now);
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
  // A task without a video is not completed for the user: there is nothing to play yet.
  if (no_video_since_) return TaskStatus::processing;
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
