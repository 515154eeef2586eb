// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/client/job.h"

#include <glib.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "begun_submissions.h"
#include "network.h"
#include "veo/core/task_machine.h"
#include "veo/http/transport.h"
#include "veo/json/codec.h"

namespace veo {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

// The driver of a TaskMachine: it does what the machine commands, on the I/O thread.
//
// Keeps itself alive through the callbacks it is waiting for (timer, exchange, posted task), and so
// lives exactly as long as something is under way or somebody holds the Job.
struct Job::Private : std::enable_shared_from_this<Job::Private> {
  explicit Private(Settings from)
      : settings(std::move(from)),
        thread(http::IoThread::acquire()),
        machine({.retries = settings.network.retries,
                 .poll_interval = settings.poll_interval,
                 .generation_timeout = settings.generation_timeout}) {}

  // --- any thread ---

  Snapshot look() const {
    const std::lock_guard lock(mutex);
    return snapshot;
  }

  // --- I/O thread ---

  void begin() {
    auto opened = http::Transport::open(thread, transport_network(settings.network));
    if (!opened) {
      publish_failure(std::move(opened.error()));
      return;
    }
    transport = std::move(*opened);
    started = now();
    obey(settings.task_id.empty() ? machine.submit(started)
                                  : machine.adopt(settings.task_id, started));
  }

  void abandon() {
    abandoned = true;
    timer.cancel();
    if (exchange.begun()) return;  // its answer names a task that is paid: wait for it
    release();
  }

  /// Lets go of all that belongs to the I/O thread, so that it does not matter who drops the last
  /// reference.
  void release() {
    timer.cancel();
    exchange = {};
    submission.reset();
    transport.reset();
  }

  void obey(const TaskMachine::Command& command) {
    using Kind = TaskMachine::Command::Kind;
    publish();
    timer.cancel();
    if (abandoned) {
      release();
      return;
    }
    switch (command.kind) {
      case Kind::none:
        break;
      case Kind::send_submission:
        send_submission();
        break;
      case Kind::send_query:
        send_query();
        arm(command.until);
        break;
      case Kind::wait:
        arm(command.until);
        break;
      case Kind::finish:
        release();
        break;
    }
  }

  void arm(TaskMachine::Time until) {
    const auto delay = std::max(milliseconds(0), std::chrono::ceil<milliseconds>(until - now()));
    timer = thread->after(
        delay, [self = shared_from_this()] { self->obey(self->machine.time_passed(now())); });
  }

  http::ApiCall api_call(const std::string& path) const {
    http::ApiCall call;
    call.url = settings.access.api_url + path;
    call.key = settings.access.key;
    call.idle_timeout = settings.network.timeout;
    call.total_timeout = std::max(call.total_timeout, 4 * call.idle_timeout);
    return call;
  }

  void send_submission() {
    auto call = api_call("/videos/generations");
    call.method = "POST";
    call.body = json::encode_create(settings.request, *settings.catalog);
    ++requests;
    submission.emplace();
    exchange =
        transport->call(std::move(call), [self = shared_from_this()](http::ApiAnswer answer) {
          self->submitted(std::move(answer));
        });
  }

  void submitted(http::ApiAnswer answer) {
    auto outcome = classify_submission(
        answer.evidence, json::decode_submission(answer.evidence.status, answer.body));
    submission.reset();
    exchange = {};
    if (abandoned && outcome.kind == Submitted::Kind::accepted) {
      g_printerr(
          "gst-veo: the submission was accepted after its pipeline had stopped. The task is "
          "paid; play it with: veosrc task-id=%s\n",
          outcome.task_id.c_str());
    }
    const auto time = now();
    if (outcome.kind == Submitted::Kind::accepted) accepted_at = time;
    obey(machine.submitted(std::move(outcome), time, random()));
  }

  void send_query() {
    ++requests;
    ++polls;
    // The id is the service's own word: it goes into the path as data, whatever it is.
    const std::unique_ptr<char, decltype(&g_free)> escaped(
        g_uri_escape_string(machine.task_id().c_str(), nullptr, FALSE), g_free);
    exchange = transport->call(
        api_call(std::string("/tasks/") + escaped.get()),
        [self = shared_from_this()](http::ApiAnswer answer) { self->queried(std::move(answer)); });
  }

  void queried(http::ApiAnswer answer) {
    auto& evidence = answer.evidence;
    auto report = evidence.failure
                      ? Result<TaskReport>(fail(std::move(*evidence.failure)))
                      : json::decode_task(machine.task_id(), evidence.status, answer.body);
    exchange = {};
    obey(machine.queried(std::move(report), evidence.retry_after, now(), random()));
  }

  void publish() {
    {
      const std::lock_guard lock(mutex);
      snapshot.phase = phase();
      snapshot.status = machine.status();
      snapshot.task_id = machine.task_id();
      snapshot.report = machine.report();
      snapshot.percent = machine.report() ? percent(machine.report()->progress) : std::nullopt;
      snapshot.error = machine.error();
      snapshot.trouble = machine.trouble();
      snapshot.requests = requests;
      snapshot.polls = polls;
      snapshot.retries = machine.retries();
      if (accepted_at) {
        snapshot.submit_time = duration_cast<milliseconds>(*accepted_at - started);
        if (machine.state() == TaskMachine::State::completed) {
          snapshot.generate_time = duration_cast<milliseconds>(now() - *accepted_at);
        }
      }
    }
    subscribers.notify();
  }

  void publish_failure(Error error) {
    {
      const std::lock_guard lock(mutex);
      snapshot.phase = Phase::failed;
      snapshot.error = std::move(error);
    }
    subscribers.notify();
  }

  Phase phase() const {
    switch (machine.state()) {
      case TaskMachine::State::idle:
      case TaskMachine::State::submitting:
      case TaskMachine::State::held:
        return Phase::submitting;
      case TaskMachine::State::waiting:
      case TaskMachine::State::querying:
        return Phase::generating;
      case TaskMachine::State::completed:
        return Phase::completed;
      case TaskMachine::State::failed:
        break;
    }
    return Phase::failed;
  }

  static TaskMachine::Time now() { return std::chrono::steady_clock::now(); }
  static double random() { return g_random_double(); }

  const Settings settings;
  const std::shared_ptr<http::IoThread> thread;

  // Touched on the I/O thread alone.
  TaskMachine machine;
  std::shared_ptr<http::Transport> transport;
  http::Transport::Exchange exchange;
  http::IoThread::Timer timer;
  std::optional<BegunSubmissions::Guard> submission;
  TaskMachine::Time started{};
  std::optional<TaskMachine::Time> accepted_at;
  unsigned requests = 0;
  unsigned polls = 0;
  bool abandoned = false;

  Subscribers subscribers;
  mutable std::mutex mutex;
  Snapshot snapshot;  // guarded by mutex
};

Job::Job() = default;

std::shared_ptr<Job> Job::start(Settings settings) {
  std::shared_ptr<Job> job(new Job);
  job->p_ = std::make_shared<Private>(std::move(settings));
  {
    const std::lock_guard lock(job->p_->mutex);
    job->p_->snapshot.task_id = job->p_->settings.task_id;
    if (!job->p_->settings.task_id.empty()) job->p_->snapshot.phase = Phase::generating;
  }
  job->p_->thread->post([p = job->p_] { p->begin(); });
  return job;
}

// The last word is said on the I/O thread, which then also drops the last reference.
Job::~Job() {
  const auto thread = p_->thread;
  thread->post([p = std::move(p_)] { p->abandon(); });
}

Job::Snapshot Job::snapshot() const { return p_->look(); }

void Job::subscribe(std::weak_ptr<Wakeup> wakeup) { p_->subscribers.add(std::move(wakeup)); }

}  // namespace veo
