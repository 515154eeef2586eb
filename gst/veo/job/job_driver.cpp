// SPDX-License-Identifier: LGPL-2.1-or-later
#include <glib.h>

#include <algorithm>
#include <utility>

#include "job_private.h"
#include "job_registry.h"
#include "veo/core/retry.h"

namespace veo {

using std::chrono::milliseconds;
using namespace std::chrono_literals;

namespace {

/// How often to look again, while somebody else is at it.
constexpr Backoff look_again{.base = 20ms, .cap = 250ms};
/// How often to try again to write something down.
constexpr Backoff write_again{.base = 20ms, .cap = 1000ms};
constexpr unsigned looks_before_a_word = 8;  // a second

}  // namespace

TaskMachine::Settings Job::Private::machine_settings() const {
  return {.retries = settings.network.retries,
          .poll_interval = settings.poll_interval,
          .learned = learned,
          .is_called_back = webhook.has_value(),
          .generation_timeout = settings.generation_timeout};
}

void Job::Private::begin() {
  started = now();
  auto opened = Service::open(thread, settings.api_url, settings.key, settings.network);
  if (!opened) return give_up(std::move(opened.error()));
  service = std::move(*opened);
  look_up();
}

void Job::Private::look_up() {
  if (abandoned) return release();
  auto claim = settings.claim;
  if (auto failure = JobRegistry::failure(name_of(settings))) {
    failure->message += " Within this process it is not submitted again.";
    claim.refusal = std::move(failure);
  }
  const auto standing = record->look_up({.ledger = settings.ledger,
                                         .cache_directory = settings.cache_directory,
                                         .cache_limit = settings.cache_limit,
                                         .claim = std::move(claim),
                                         .task_id = settings.task_id,
                                         .key = settings.key ? &*settings.key : nullptr});
  for (const auto& notice : record->notices()) add_notice(notice);
  if (!standing) return give_up(standing.error());
  switch (*standing) {
    case TaskRecord::Standing::undecided:
      if (now() >= started + settings.generation_timeout) {
        return give_up({.code = ErrorCode::timeout,
                        .message = "The same request has been submitted by somebody else for " +
                                   std::to_string(settings.generation_timeout.count()) +
                                   " s without an end, or the ledger is busy all the time. "
                                   "This one has sent nothing."});
      }
      if (looks == looks_before_a_word) tell_waiting();
      after(look_again.delay(looks++, random()), [this] { look_up(); });
      break;
    case TaskRecord::Standing::ours:
      if (auto listening = listen(); !listening) return give_up(std::move(listening.error()));
      learn();
      obey(machine.submit(started));
      break;
    case TaskRecord::Standing::known:
      learn();
      join_task();
      break;
  }
}

Status Job::Private::listen() {
  if (!settings.callback_listen) return {};
  const auto& address = *settings.callback_listen;
  if (!address.is_loopback) {
    add_notice("callback-listen=" + to_text(address) +
               " can be reached from other machines, and is not made for clients that are not to "
               "be trusted. Let it listen on a loopback address, behind a proxy of yours.");
  }
  auto opened = http::Webhook::listen(thread, address, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->called_back();
  });
  if (!opened) return fail(std::move(opened.error()));
  webhook = std::move(*opened);
  return {};
}

void Job::Private::learn() {
  learned = GenerationTimes::learn(record->generation_times(),
                                   expected_time(settings.request, *settings.catalog));
  machine = TaskMachine(machine_settings());
  const std::lock_guard lock(mutex);
  if (learned) snapshot.expected_time = learned->median();
}

std::optional<milliseconds> Job::Private::generation_time() const {
  const auto& report = *machine.report();
  if (!report.created_at || !report.completed_at) return std::nullopt;
  const auto took = std::chrono::seconds(*report.completed_at - *report.created_at);
  return took >= 0s && took < settings.generation_timeout ? std::optional<milliseconds>(took)
                                                          : std::nullopt;
}

void Job::Private::tell_waiting() {
  {
    const std::lock_guard lock(mutex);
    snapshot.phase = Phase::submitting;
    snapshot.trouble =
        Error{.code = ErrorCode::ledger,
              .message =
                  "The same request is being submitted by somebody else, who is waited "
                  "for."};
  }
  subscribers.notify();
}

void Job::Private::join_task() {
  const auto& row = record->record();
  {
    const std::lock_guard lock(mutex);
    snapshot.reused = true;
  }
  if (settings.task_id.empty() && row.state == RecordState::accepted &&
      (settings.request.callback_url || settings.callback_listen)) {
    add_notice("Task " + row.task_id +
               " was submitted before, and keeps the callback URL that it was submitted with" +
               (settings.callback_listen ? ": it is polled." : "."));
  }
  accepted_at = started;
  // What is in the cache needs no URL, and what is not can be asked for.
  if (row.state == RecordState::completed && (!row.url.empty() || !row.clip_sha256.empty())) {
    TaskReport report{.id = row.task_id, .status = TaskStatus::completed};
    if (!row.url.empty()) report.urls.push_back(row.url);
    return obey(machine.conclude(std::move(report), now()));
  }
  if (!settings.key) return give_up(settings.key.error());
  const auto submitted = submitted_at(row);
  {
    const std::lock_guard lock(mutex);
    snapshot.accepted_at = submitted;
  }
  obey(machine.adopt(row.task_id, now(), submitted));
}

std::optional<TaskMachine::Time> Job::Private::submitted_at(const Record& row) const {
  if (!row.sending_at || !row.accepted_at) return std::nullopt;
  return now() - std::max<UnixTime::duration>(0ms, unix_now() - *row.accepted_at);
}

void Job::Private::obey(const TaskMachine::Command& command) {
  using Kind = TaskMachine::Command::Kind;
  // Who is told of the end may end the process: what is to be written down comes first.
  if (command.kind == Kind::finish && machine.error()) give_back(machine.error());
  publish();
  timer.cancel();
  if (abandoned) {
    give_back(std::nullopt);
    release();
    return;
  }
  switch (command.kind) {
    case Kind::none:
      break;
    case Kind::send_submission:
      queue_submission(command.until);
      break;
    case Kind::send_query:
      send_query();
      arm(command.until);
      break;
    case Kind::wait:
      arm(command.until);
      break;
    case Kind::finish:
      webhook.reset();
      if (settings.task_id.empty() && machine.error() &&
          machine.error()->code == ErrorCode::task_failed) {
        JobRegistry::remember_failure(name_of(settings), *machine.error());
      }
      // A clip's URL may have to be asked for once more.
      if (machine.state() == TaskMachine::State::completed) break;
      release();
      break;
  }
}

void Job::Private::called_back() {
  const auto command = machine.woken(now());
  if (command.kind != TaskMachine::Command::Kind::none) obey(command);
}

void Job::Private::send_query() {
  ++polls;
  service->query(machine.task_id(), [self = shared_from_this()](Result<TaskReport> report,
                                                                Service::RetryAfter retry_after) {
    self->queried(std::move(report), retry_after);
  });
}

void Job::Private::queried(Result<TaskReport> report, Service::RetryAfter retry_after) {
  const bool good = report.has_value();
  if (!good) report = fail(with_history(std::move(report.error())));
  const auto command = machine.queried(std::move(report), retry_after, now(), random());
  const auto write = [this, good] {
    if (good && !settings.task_id.empty() && !is_confirmed) {
      if (auto written = record->confirmed(settings.claim.record.intent); !written) return written;
      is_confirmed = true;
    }
    if (machine.state() == TaskMachine::State::completed) {
      return record->completed(machine.report()->urls.front(), generation_time());
    }
    const bool failed = machine.error() && machine.error()->code == ErrorCode::task_failed;
    return failed ? record->failed(*machine.error()) : Status();
  };
  insist(write, enough_tries, [this, command](const Status& written) {
    // What the service says of a task can be asked for again: nothing is lost without it.
    if (!written) add_notice(written.error().message);
    obey(command);
  });
}

Error Job::Private::with_history(Error error) const {
  const auto& row = record->record();
  const bool refused = error.code == ErrorCode::invalid_api_key ||
                       error.code == ErrorCode::ip_not_allowed ||
                       error.code == ErrorCode::task_not_found;
  if (!refused || row.reserved_at == UnixTime{}) return error;
  if (!row.key_mark.empty() && settings.key && record->mark_of(*settings.key) != row.key_mark) {
    error.message += " It was submitted with another key.";
  }
  if (error.code == ErrorCode::task_not_found && row.sending_at) {
    error.message += " It was submitted on " + to_text(*row.sending_at) + ", for " +
                     std::to_string(row.credits) +
                     " credits. It is never submitted again by itself: set take=2 (or the next "
                     "number) to generate another one.";
  }
  return error;
}

void Job::Private::ask_again() {
  if (abandoned) return;
  if (!settings.key) return give_up(settings.key.error());
  machine = TaskMachine(machine_settings());
  obey(machine.adopt(record->record().task_id, now()));
}

void Job::Private::after(milliseconds delay, std::function<void()> task) {
  timer = thread->after(delay, [self = shared_from_this(), task = std::move(task)] { task(); });
}

void Job::Private::arm(TaskMachine::Time until) {
  const auto delay = std::max(milliseconds(0), std::chrono::ceil<milliseconds>(until - now()));
  after(delay, [this] { obey(machine.time_passed(now())); });
}

void Job::Private::insist(std::function<Status()> write, unsigned tries,
                          std::function<void(const Status&)> then, unsigned tried) {
  const auto written = write();
  if (written || tried + 1 >= tries) return then(written);
  after(write_again.delay(tried, random()),
        [this, write = std::move(write), tries, then = std::move(then), tried]() mutable {
          insist(std::move(write), tries, std::move(then), tried + 1);
        });
}

void Job::Private::give_up(Error error) {
  give_back(error);
  {
    const std::lock_guard lock(mutex);
    snapshot.phase = Phase::failed;
    snapshot.error = std::move(error);
  }
  release();
  subscribers.notify();
}

void Job::Private::abandon() {
  abandoned = true;
  webhook.reset();
  // A paid task's only name may be on its way, or on its way to the disk.
  if ((service && service->may_be_sent()) || is_recording_answer) return;
  if (is_posting) may_be_sent = false;  // it never began, and now never will
  give_back(std::nullopt);
  release();
}

void Job::Private::release() {
  timer.cancel();
  webhook.reset();
  submission.reset();
  service.reset();
  record->let_go();
}

TaskMachine::Time Job::Private::now() { return std::chrono::steady_clock::now(); }
double Job::Private::random() { return g_random_double(); }

}  // namespace veo
