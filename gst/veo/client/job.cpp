// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/client/job.h"

#include <glib.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "begun_submissions.h"
#include "job_registry.h"
#include "service.h"
#include "task_record.h"
#include "veo/core/retry.h"
#include "veo/core/task_machine.h"
#include "veo/core/unknown_submission.h"
#include "veo/core/url_policy.h"
#include "veo/http/io_thread.h"
#include "veo/http/webhook_listener.h"

namespace veo {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using namespace std::chrono_literals;

namespace {

/// How often to look again, while somebody else is at it.
constexpr Backoff look_again{.base = 20ms, .cap = 250ms};
/// How often to try again to write something down.
constexpr Backoff write_again{.base = 20ms, .cap = 1000ms};
constexpr unsigned enough_tries = 8;          // where nothing is lost without
constexpr unsigned tries_for_an_answer = 16;  // some seconds
constexpr unsigned looks_before_a_word = 8;   // a second
constexpr unsigned tries_before_a_word = 3;   // other processes may just be writing

/// What the job is called in the process.
std::string name_of(const Job::Settings& settings) {
  const auto& wanted = settings.claim.record;
  const auto what = settings.task_id.empty()
                        ? "intent\n" + wanted.intent + "\n" + wanted.instance
                        : "task\n" + settings.api_url + "\n" + settings.task_id;
  return settings.ledger + "\n" + what;
}

}  // namespace

// The driver of a TaskMachine: it does what the machine commands, on the I/O thread, and writes
// down in the ledger what came of it before it goes on.
//
//   look up ──► claim ──► [sending] ──► POST ──► [accepted] ──► GET … ──► [completed]
//      │  ▲                                          ▲
//      │  └── later                                  │          [ ]: on the disk first
//      └─────────────── a known task ────────────────┘
//
// Keeps itself alive through the callbacks it is waiting for (timer, exchange, posted task), and so
// lives exactly as long as something is under way or somebody holds the Job.
struct Job::Private : std::enable_shared_from_this<Job::Private> {
  explicit Private(Settings from)
      : settings(std::move(from)), thread(http::IoThread::acquire()), machine(machine_settings()) {}

  [[nodiscard]] TaskMachine::Settings machine_settings() const {
    return {.retries = settings.network.retries,
            .poll_interval = settings.poll_interval,
            .learned = learned,
            .is_called_back = webhook.has_value(),
            .generation_timeout = settings.generation_timeout};
  }

  // --- any thread ---

  Snapshot look() const {
    const std::lock_guard lock(mutex);
    return snapshot;
  }

  // --- I/O thread ---

  void begin() {
    started = now();
    auto opened = Service::open(thread, settings.api_url, settings.key, settings.network);
    if (!opened) return give_up(std::move(opened.error()));
    service = std::move(*opened);
    look_up();
  }

  void look_up() {
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

  /// Before it is submitted: the service is to call back here.
  Status listen() {
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

  void called_back() {
    const auto command = machine.woken(now());
    if (command.kind != TaskMachine::Command::Kind::none) obey(command);
  }

  /// The request as the service gets it.
  [[nodiscard]] Request outgoing() const {
    auto request = settings.request;
    if (!settings.parent_upstream_id.empty()) request.extend_task_id = settings.parent_upstream_id;
    if (webhook) {
      request.callback_url = request.callback_url
                                 ? callback_url_with(*request.callback_url, webhook->token())
                                 : webhook->url();
    }
    return request;
  }

  void learn() {
    learned = GenerationTimes::learn(record->generation_times(),
                                     expected_time(settings.request, *settings.catalog));
    machine = TaskMachine(machine_settings());
    const std::lock_guard lock(mutex);
    if (learned) snapshot.expected_time = learned->median();
  }

  /// How long the service took, by its own clock.
  [[nodiscard]] std::optional<milliseconds> generation_time() const {
    const auto& report = *machine.report();
    if (!report.created_at || !report.completed_at) return std::nullopt;
    const auto took = std::chrono::seconds(*report.completed_at - *report.created_at);
    return took >= 0s && took < settings.generation_timeout ? std::optional<milliseconds>(took)
                                                            : std::nullopt;
  }

  /// It takes longer than another's moment with the file: let it be seen.
  void tell_waiting() {
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

  /// The task is there, whoever submitted it.
  void join_task() {
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

  /// On our clock, when the service accepted the task.
  [[nodiscard]] std::optional<TaskMachine::Time> submitted_at(const Record& row) const {
    if (!row.sending_at || !row.accepted_at) return std::nullopt;
    return now() - std::max<UnixTime::duration>(0ms, unix_now() - *row.accepted_at);
  }

  void abandon() {
    abandoned = true;
    webhook.reset();
    // A paid task's only name may be on its way, or on its way to the disk.
    if ((service && service->may_be_sent()) || is_recording_answer) return;
    if (is_posting) may_be_sent = false;  // it never began, and now never will
    give_back(std::nullopt);
    release();
  }

  /// Says that the claim was not used, where that is sure. Where it cannot be written, the lock
  /// that is dropped lets it be found.
  void give_back(const std::optional<Error>& why) {
    if (service) service->cancel();
    is_posting = false;
    if (record->is_claimed() && !may_be_sent) (void)record->released(why).has_value();
  }

  /// Lets go of all that belongs to the I/O thread, so that it does not matter who drops the last
  /// reference.
  void release() {
    timer.cancel();
    webhook.reset();
    submission.reset();
    service.reset();
    record->let_go();
  }

  void obey(const TaskMachine::Command& command) {
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

  void after(milliseconds delay, std::function<void()> task) {
    timer = thread->after(delay, [self = shared_from_this(), task = std::move(task)] { task(); });
  }

  void arm(TaskMachine::Time until) {
    const auto delay = std::max(milliseconds(0), std::chrono::ceil<milliseconds>(until - now()));
    after(delay, [this] { obey(machine.time_passed(now())); });
  }

  /// Writes something down, again and again until it is on the disk, `tries` times at most, and
  /// goes on with `then`.
  void insist(std::function<Status()> write, unsigned tries,
              std::function<void(const Status&)> then, unsigned tried = 0) {
    const auto written = write();
    if (written || tried + 1 >= tries) return then(written);
    after(write_again.delay(tried, random()),
          [this, write = std::move(write), tries, then = std::move(then), tried]() mutable {
            insist(std::move(write), tries, std::move(then), tried + 1);
          });
  }

  /// Until its turn has come the row is `reserved`: dying here is harmless.
  void queue_submission(TaskMachine::Time until) {
    service->when_it_may_submit([self = shared_from_this()] {
      self->timer.cancel();
      // From here on the row says that it may have been sent: an exit lets us say what came of it.
      self->submission.emplace();
      self->insist([self] { return self->record->sending(); }, enough_tries,
                   [self](const Status& written) {
                     if (!written) return self->give_up(written.error());
                     self->send_submission();
                   });
    });
    after(std::max(0ms, std::chrono::ceil<milliseconds>(until - now())), [this] {
      if (!service->is_queued()) return;
      give_up({.code = ErrorCode::timeout,
               .message = "The request could not be submitted within " +
                          std::to_string(settings.generation_timeout.count()) +
                          " s, since the service keeps this key waiting (HTTP 429). Nothing was "
                          "sent, and nothing is paid: try again later."});
    });
  }

  void send_submission() {
    if (abandoned) return obey({});
    is_posting = true;
    may_be_sent = true;
    service->submit(outgoing(), *settings.catalog, [self = shared_from_this()](Submitted outcome) {
      self->submitted(std::move(outcome));
    });
  }

  void submitted(Submitted outcome) {
    is_posting = false;
    switch (outcome.kind) {
      case Submitted::Kind::accepted:
        accepted_at = now();
        {
          const std::lock_guard lock(mutex);
          snapshot.accepted_at = accepted_at;
        }
        break;
      case Submitted::Kind::unknown:
        break;
      case Submitted::Kind::not_sent:
      case Submitted::Kind::rate_limited:
      case Submitted::Kind::refused:
        may_be_sent = false;
        break;
    }
    write_answer(outcome);
  }

  /// What the answer means is on the disk before anything else happens, whoever is still waiting.
  void write_answer(const Submitted& outcome) {
    const bool accepted = outcome.kind == Submitted::Kind::accepted;
    const bool unknown = outcome.kind == Submitted::Kind::unknown;
    const auto write = [this, outcome, accepted, unknown] {
      if (accepted) return write_accepted(outcome.task_id);
      if (unknown) return record->unknown(outcome.error, std::nullopt);
      // Should it be sent once more, it is claimed still; should it not, that is given up below.
      return record->held();
    };
    is_recording_answer = true;
    insist(write, accepted ? tries_for_an_answer : enough_tries,
           [this, outcome, accepted, unknown](const Status& written) {
             is_recording_answer = false;
             submission.reset();
             if (accepted && !written) return give_up(unrecorded(outcome.task_id, written));
             if (unknown && abandoned) return learn_balance(outcome, std::nullopt);
             // A hint to whether it was paid.
             if (unknown) {
               return service->ask_balance(
                   [self = shared_from_this(), outcome](std::optional<double> balance) {
                     self->learn_balance(outcome, balance);
                   });
             }
             if (accepted && abandoned && written) {
               g_printerr(
                   "gst-veo: the submission was accepted as task %s after its pipeline had "
                   "stopped. It is paid and recorded: the same line plays it.\n",
                   outcome.task_id.c_str());
             }
             conclude_submission(outcome);
           });
  }

  void conclude_submission(Submitted outcome) {
    const auto command = machine.submitted(std::move(outcome), now(), random());
    obey(command);
  }

  Status write_accepted(const std::string& task_id) {
    auto written = record->accepted(task_id);
    // The task is paid, and this may be the only place where its name ever stands.
    if (!written && ++unwritten == tries_before_a_word) {
      const auto text = unrecorded(task_id, written).message;
      g_printerr("gst-veo: %s\n", text.c_str());
      add_notice(text);
    }
    return written;
  }

  [[nodiscard]] static Error unrecorded(const std::string& task_id, const Status& written) {
    return {.code = ErrorCode::ledger,
            .message = "Task " + task_id + " is accepted and paid, but could not be recorded: " +
                       written.error().message + " Keep its id: task-id=" + task_id +
                       " plays it at no further cost. Nothing else is submitted.",
            .task_id = task_id,
            .charged = Charged::unknown};
  }

  [[nodiscard]] Error explain_unknown(const Error& seen, std::optional<double> balance) const {
    auto row = record->record();
    row.error_message = seen.message;
    row.task_id = seen.task_id;
    row.balance = balance;
    auto error = unknown_submission(row, settings.claim.is_plain);
    error.http_status = seen.http_status;
    error.service_code = seen.service_code;
    error.service_type = seen.service_type;
    error.service_message = seen.service_message;
    return error;
  }

  void learn_balance(Submitted outcome, std::optional<double> balance) {
    if (balance) (void)record->unknown(outcome.error, balance).has_value();
    outcome.error = explain_unknown(outcome.error, balance);
    conclude_submission(std::move(outcome));
  }

  void send_query() {
    ++polls;
    service->query(machine.task_id(), [self = shared_from_this()](Result<TaskReport> report,
                                                                  Service::RetryAfter retry_after) {
      self->queried(std::move(report), retry_after);
    });
  }

  void queried(Result<TaskReport> report, Service::RetryAfter retry_after) {
    const bool good = report.has_value();
    if (!good) report = fail(with_history(std::move(report.error())));
    const auto command = machine.queried(std::move(report), retry_after, now(), random());
    const auto write = [this, good] {
      if (good && !settings.task_id.empty() && !is_confirmed) {
        if (auto written = record->confirmed(settings.claim.record.intent); !written)
          return written;
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

  /// Where the service does not let us at a task that is paid: what we know of it.
  [[nodiscard]] Error with_history(Error error) const {
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

  void publish() {
    bool changed = false;
    {
      const std::lock_guard lock(mutex);
      const auto before = snapshot;
      snapshot.phase = phase();
      snapshot.status = machine.status();
      snapshot.task_id = machine.task_id();
      snapshot.report = machine.report();
      snapshot.percent = machine.report() ? percent(machine.report()->progress) : std::nullopt;
      snapshot.error = machine.error();
      snapshot.trouble = machine.trouble();
      if (service) snapshot.requests = service->requests();
      snapshot.polls = polls;
      snapshot.retries = machine.retries();
      if (accepted_at) {
        snapshot.submit_time = duration_cast<milliseconds>(*accepted_at - started);
        if (machine.state() == TaskMachine::State::completed) {
          snapshot.generate_time = duration_cast<milliseconds>(now() - *accepted_at);
        }
      }
      if (machine.state() == TaskMachine::State::completed) {
        clip_settings = std::make_unique<const Clip::Settings>(describe_clip());
      }
      changed = !looks_like(before, snapshot);
    }
    // Nobody is woken to see that one more poll was made.
    if (changed) subscribers.notify();
  }

  /// Whether there is nothing new to tell. Counts are for who asks.
  static bool looks_like(const Snapshot& before, const Snapshot& after) {
    const auto text = [](const std::optional<Error>& error) {
      return error ? error->message : std::string();
    };
    return before.phase == after.phase && before.status == after.status &&
           before.task_id == after.task_id && before.reused == after.reused &&
           before.percent == after.percent && before.notices.size() == after.notices.size() &&
           text(before.error) == text(after.error) && text(before.trouble) == text(after.trouble);
  }

  [[nodiscard]] Clip::Settings describe_clip() const {
    const auto& row = record->record();
    const auto& urls = machine.report()->urls;
    const auto origin = origin_of(settings.api_url);
    return {.url = urls.empty() ? "" : urls.front(),
            .api_is_loopback = origin && is_loopback_host(origin->host),
            .network = settings.network,
            .api_url = settings.api_url,
            .task_id = machine.task_id(),
            .intent = row.intent,
            .cache = record->cache(),
            .keep = settings.cache_limit != 0U,
            .sha256 = row.clip_sha256,
            .size = row.clip_size,
            .kept = [record = record](const CachedClip& cached) { return record->kept(cached); }};
  }

  // --- I/O thread, on behalf of renew() ---

  void ask_again() {
    if (abandoned) return;
    if (!settings.key) return give_up(settings.key.error());
    machine = TaskMachine(machine_settings());
    obey(machine.adopt(record->record().task_id, now()));
  }

  void add_notice(const std::string& text) {
    {
      const std::lock_guard lock(mutex);
      auto& notices = snapshot.notices;
      if (std::ranges::find(notices, text) != notices.end()) return;
      notices.push_back(text);
    }
    subscribers.notify();
  }

  void give_up(Error error) {
    give_back(error);
    {
      const std::lock_guard lock(mutex);
      snapshot.phase = Phase::failed;
      snapshot.error = std::move(error);
    }
    release();
    subscribers.notify();
  }

  Phase phase() const {
    switch (machine.state()) {
      case TaskMachine::State::idle:
        return Phase::looking_up;
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
  std::optional<GenerationTimes> learned;
  TaskMachine machine;
  const std::shared_ptr<TaskRecord> record = std::make_shared<TaskRecord>();
  std::unique_ptr<Service> service;
  http::IoThread::Timer timer;
  std::optional<http::Webhook> webhook;  // from before the submission to the task's end
  std::optional<BegunSubmissions::Guard> submission;
  TaskMachine::Time started{};
  std::optional<TaskMachine::Time> accepted_at;
  unsigned polls = 0;
  unsigned looks = 0;
  bool abandoned = false;
  bool is_posting = false;           // the submission is with `service`
  bool may_be_sent = false;          // of the claim we hold
  bool is_recording_answer = false;  // the timer is not to be cancelled
  bool is_confirmed = false;         // the task that the user named is one
  unsigned unwritten = 0;            // failed tries to record the accepted task

  Subscribers subscribers;
  mutable std::mutex mutex;
  // Guarded by mutex, all four. A thousand that wait have neither settings nor clip.
  Snapshot snapshot;
  std::unique_ptr<const Clip::Settings> clip_settings;  // not null iff completed
  std::shared_ptr<Clip> clip;
  bool renewed = false;
};

Job::Job() = default;

Job::Joined Job::join(Settings settings) {
  const auto fits = [&settings](const Job& job) {
    const auto& other = job.p_->settings;
    return other.network == settings.network && other.poll_interval == settings.poll_interval &&
           other.generation_timeout == settings.generation_timeout &&
           other.cache_directory == settings.cache_directory &&
           job.snapshot().phase != Phase::failed;
  };
  const auto make = [&settings] {
    std::shared_ptr<Job> job(new Job);
    job->p_ = std::make_shared<Private>(std::move(settings));
    {
      const std::lock_guard lock(job->p_->mutex);
      job->p_->snapshot.task_id = job->p_->settings.task_id;
    }
    job->p_->thread->post([p = job->p_] { p->begin(); });
    return job;
  };
  return JobRegistry::join(name_of(settings), fits, make);
}

// The last word is said on the I/O thread, which then also drops the last reference.
Job::~Job() {
  const auto thread = p_->thread;
  thread->post([p = std::move(p_)] { p->abandon(); });
}

Job::Snapshot Job::snapshot() const { return p_->look(); }

void Job::subscribe(std::weak_ptr<Wakeup> wakeup) { p_->subscribers.add(std::move(wakeup)); }

std::shared_ptr<Clip> Job::clip() {
  const std::lock_guard lock(p_->mutex);
  // One that failed is not handed to the next who asks.
  if (p_->clip && p_->clip->has_failed() && !p_->clip->is_refused()) p_->clip.reset();
  // Nor is one that is not kept: it has one reader.
  const bool is_shared = p_->clip && p_->clip_settings && p_->clip_settings->keep;
  if (!is_shared && p_->clip_settings) p_->clip = Clip::open(*p_->clip_settings);
  return p_->clip;
}

void Job::fetch() {
  const std::lock_guard lock(p_->mutex);
  const bool is_kept = p_->clip_settings && p_->clip_settings->keep;
  if (is_kept && !p_->clip) p_->clip = Clip::open(*p_->clip_settings);
}

bool Job::renew(const std::shared_ptr<Clip>& refused) {
  {
    const std::lock_guard lock(p_->mutex);
    // Another reader may have asked already.
    if (p_->clip != refused) return true;
    if (std::exchange(p_->renewed, true)) return false;
    p_->snapshot.phase = Phase::generating;
    p_->clip_settings.reset();
    p_->clip.reset();
  }
  p_->thread->post([p = p_] { p->ask_again(); });
  return true;
}

}  // namespace veo
