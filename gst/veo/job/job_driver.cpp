// SPDX-License-Identifier: LGPL-2.1-or-later
#include <glib.h>

#include <algorithm>
#include <utility>

#include "job_private.h"
#include "job_registry.h"
#include "veo/core/error_table.h"
#include "veo/core/log.h"
#include "veo/core/url_policy.h"
#include "veo/http/transport_network.h"
#include "veo/system/clocks.h"

namespace veo {

using std::chrono::milliseconds;
using namespace std::chrono_literals;

Job::Private::Private(Settings from)
    : settings(std::move(from)),
      thread(http::IoThread::acquire()),
      ledger_thread(StoreThread::acquire(StoreThread::Store::ledger)),
      clips_thread(StoreThread::acquire(StoreThread::Store::clips)),
      record(TaskRecord::make(ledger_thread)) {
  watch_exit_for_submissions();
  shared.lock()->snapshot.task_id = settings.task_id;
}

TaskMachine::Settings Job::Private::make_machine_settings() const {
  return {.retries = settings.network.retries,
          .poll_interval = settings.poll_interval,
          .learned = io->learned,
          .is_called_back = io->webhook.has_value(),
          .generation_timeout = settings.generation_timeout};
}

void Job::Private::begin() {
  auto& own = *io;
  own.started = own.clock = now();
  const auto& wanted = settings.claim.record;
  if (!settings.task_id.empty()) {
    name_task(settings.task_id);
    log::info(log::Category::job, label(), ": begins: it is played, and nothing is submitted");
  } else {
    own.label = "intent " + wanted.intent.substr(0, 12);
    log::info(log::Category::job, label(), ": begins: a prompt of ", settings.request.prompt.size(),
              " bytes, mode ", log::text(wanted.mode), ", ", log::text(wanted.resolution), ", ",
              wanted.credits, " credits by the catalog, at ", log::url(settings.access.api_url));
  }
  log::debug(log::Category::job, label(), ": ledger ", log::text(settings.ledger), ", cache ",
             log::text(settings.cache_directory), ", there is a key: ", settings.key.has_value(),
             ", generation-timeout ", settings.generation_timeout);
  auto opened = Service::open(thread, settings.access.api_url, settings.key, settings.network);
  if (!opened) return give_up(opened.error());
  own.service = std::move(*opened);
  open_cache();
}

Status Job::Private::listen() {
  if (!settings.listen_address) return {};
  const auto& address = *settings.listen_address;
  if (!address.is_loopback) {
    add_notice("callback-listen=" + to_text(address) +
               " can be reached from other machines, and is not made for clients that are not to "
               "be trusted. Let it listen on a loopback address, behind a proxy of yours.");
  }
  auto opened = http::Webhook::listen(thread, address, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->on_callback();
  });
  if (!opened) return fail(std::move(opened.error()));
  io->webhook = std::move(*opened);
  return {};
}

void Job::Private::learn() {
  auto& own = *io;
  own.learned = GenerationTimes::learn(std::exchange(own.record.generation_times, {}),
                                       find_expected_time(settings.request, *settings.catalog));
  own.machine = TaskMachine(make_machine_settings());
  if (own.learned) shared.lock()->snapshot.expected_time = own.learned->median();
}

void Job::Private::tell_waiting(std::string text) {
  {
    auto seen = shared.lock();
    auto& snapshot = seen->snapshot;
    // A display can show the trouble only in a phase that has begun.
    if (snapshot.phase == Phase::finding) {
      snapshot.phase = settings.task_id.empty() ? Phase::submitting : Phase::generating;
      snapshot.reused = !settings.task_id.empty();
    }
    snapshot.trouble = Error{.code = ErrorCode::ledger, .message = std::move(text)};
  }
  subscribers.notify();
}

void Job::Private::join_task() {
  auto& own = *io;
  const auto& row = own.record.row;
  name_task(row.task_id);
  log::info(log::Category::job, label(), ": is there already (", row.state, "): it is joined");
  shared.lock()->snapshot.reused = true;
  if (settings.task_id.empty() && row.state == RecordState::accepted &&
      (settings.request.callback_url || settings.listen_address)) {
    add_notice("Task " + row.task_id +
               " was submitted before, and keeps the callback URL that it was submitted with" +
               (settings.listen_address ? ": it is polled." : "."));
  }
  own.accepted_at = own.started;
  // A clip in the cache needs no URL, and the service can be asked for a missing URL.
  if (row.state == RecordState::completed && (!row.url.empty() || !row.clip_sha256.empty())) {
    TaskReport report{.id = row.task_id, .status = TaskStatus::completed};
    if (!row.url.empty()) report.urls.push_back(row.url);
    return obey(own.machine.conclude(std::move(report), now()));
  }
  if (!settings.key) return give_up(settings.key.error());
  const auto submitted = find_submission_time();
  shared.lock()->snapshot.accepted_at = submitted;
  own.clock = now();
  obey(own.machine.adopt(
      row.task_id, own.clock, submitted,
      is_without_video(row) ? TaskMachine::Finding::no_video : TaskMachine::Finding::none));
}

std::optional<TaskMachine::Time> Job::Private::find_submission_time() const {
  const auto& age = io->record.age;
  if (!age) return std::nullopt;
  // Another program may have written any time into the row. Limit the age to one day.
  return now() - std::clamp<milliseconds>(*age, 0ms, 24h);
}

void Job::Private::name_task(const std::string& task_id) {
  io->label = "task " + task_id;
  io->has_task_label = true;
}

void Job::Private::log_transition(const TaskMachine::Command& command) {
  auto& own = *io;
  const auto& machine = own.machine;
  if (!own.has_task_label && !machine.task_id().empty()) name_task(machine.task_id());
  const auto state = machine.state();
  if (const auto before = std::exchange(own.logged_state, state); before != state) {
    log::debug(log::Category::job, label(), ": ", before, " -> ", state);
  }
  const auto left = std::chrono::ceil<milliseconds>(command.until - now());
  if (std::exchange(own.logged_retries, machine.retries()) != machine.retries() &&
      machine.trouble()) {
    log::warning(log::Category::job, label(), ": trouble ", machine.retries(), ", tried again in ",
                 left, ": ", *machine.trouble());
  } else if (command.kind == TaskMachine::Command::Kind::wait) {
    log::debug(log::Category::job, label(), ": waits ", left, " for the next query");
  }
}

void Job::Private::obey(const TaskMachine::Command& command) {
  using Kind = TaskMachine::Command::Kind;
  auto& own = *io;
  log_transition(command);
  own.timer.cancel();
  if (own.ended) return wind_up();
  // The user may end the process when the job has ended, so write to the ledger first.
  if (command.kind == Kind::finish && own.machine.error()) {
    own.webhook.reset();
    return give_back(own.machine.error(), [this] { finish(); });
  }
  publish();
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
      log::info(log::Category::job, label(), ": is completed, after ", own.polls, " polls, ",
                std::chrono::duration_cast<milliseconds>(now() - own.started));
      // Keep the service, because the job may have to ask for a fresh URL.
      own.webhook.reset();
      break;
  }
}

FilePolicy Job::Private::make_file_policy() const {
  // The values were checked when the source was opened.
  return FilePolicy::make(settings.access.api_url, settings.network.allow_addresses,
                          settings.access.allow_http)
      .value_or(FilePolicy());
}

void Job::Private::check_file_hosts() {
  auto policy = make_file_policy();
  if (policy.api_is_loopback) return submit();
  ask_record(
      [url = settings.access.api_url](TaskRecord& it) { return it.find_newest_url(url); },
      [this, policy = std::move(policy)](const std::string& newest) {
        auto& own = *io;
        if (own.ended) return wind_up();
        // A service that is reached by plain http is not the one that the catalog describes.
        auto hosts =
            policy.api_is_plain_http ? std::vector<std::string>() : settings.catalog->file_hosts;
        if (const auto origin = parse_origin(newest)) hosts.push_back(origin->host);
        own.host_check.emplace(thread, policy, transport_network(settings.network));
        own.host_check->start(std::move(hosts), [self = shared_from_this()](const Status& allowed) {
          if (self->io->ended) return;  // abandon() winds the job up
          if (!allowed) return self->give_up(allowed.error());
          self->submit();
        });
      });
}

void Job::Private::submit() { obey(io->machine.submit(io->started)); }

void Job::Private::finish() {
  const auto& error = *io->machine.error();
  if (settings.task_id.empty() && error.code == ErrorCode::task_failed) {
    JobRegistry::remember_failure(name_of(settings), error);
  }
  log::error(log::Category::job, label(), ": has failed: ", error);
  if (!io->ended) publish();
  io->ended = true;
  release();
}

void Job::Private::on_callback() {
  auto& own = *io;
  const auto command = own.machine.on_hint(now());
  const bool is_acted_on = command.kind != TaskMachine::Command::Kind::none;
  log::debug(log::Category::job, label(),
             ": a callback came, and changes when the next query is sent: ", is_acted_on);
  if (!is_acted_on) return;
  // Finish the write first.
  if (own.waiting) {
    own.next = command;
  } else {
    obey(command);
  }
}

void Job::Private::send_query() {
  ++io->polls;
  log::debug(log::Category::job, label(), ": query ", io->polls);
  io->service->query(
      io->machine.task_id(),
      [self = shared_from_this()](Result<TaskReport> report, Service::RetryAfter retry_after) {
        self->on_queried(std::move(report), retry_after);
      });
}

void Job::Private::on_queried(Result<TaskReport> report, Service::RetryAfter retry_after) {
  auto& own = *io;
  const bool good = report.has_value();
  if (!good) report = fail(add_history(std::move(report.error())));
  if (good) {
    const auto done = compute_percent(report->progress);
    if (done) {
      log::debug(log::Category::job, label(), ": the service says ", report->status, ", ", *done,
                 " %");
    } else {
      log::debug(log::Category::job, label(), ": the service says ", report->status);
    }
  } else {
    log::debug(log::Category::job, label(), ": the query brought ", report.error());
  }
  own.next = own.machine.on_queried(std::move(report), retry_after, now(), random());
  const bool confirms = good && !settings.task_id.empty() && !own.is_confirmed;
  const bool completed = own.machine.state() == TaskMachine::State::completed;
  const bool has_no_video = own.machine.has_no_video();
  const bool failed =
      own.machine.error() && !has_no_video && own.machine.error()->code == ErrorCode::task_failed;
  // A row that says so already keeps the time of its end.
  const bool is_new = has_no_video && !is_without_video(own.record.row);
  if (!confirms && !completed && !failed && !is_new) return obey(own.next);

  const auto write =
      [intent = confirms ? std::optional(settings.claim.record.intent) : std::nullopt,
       url = completed ? own.machine.report()->urls.front() : std::string(),
       took = completed
                  ? compute_generation_time(*own.machine.report(), settings.generation_timeout)
                  : std::nullopt,
       completed, is_new, failure = failed || is_new ? own.machine.error() : std::nullopt,
       at = read_clocks()](TaskRecord& it) {
        if (intent) {
          if (auto written = it.write_confirmed(*intent, at); !written) return written;
        }
        if (completed) return it.write_completed(url, took, at);
        if (is_new) return it.write_without_video(*failure, at);
        return failure ? it.write_failed(*failure, at) : Status();
      };
  if (is_ledger_behind()) {
    // The ledger gets the answer to the submission first, and nothing waits for that.
    own.writer->when_recorded([write](TaskRecord& it) { static_cast<void>(write(it)); });
    return obey(own.next);
  }
  insist({.write = write, .then = [this, confirms](const Status& written) {
            if (confirms && written) io->is_confirmed = true;
            // A failed write loses nothing, because the service can be asked again.
            if (!written) add_notice(written.error().message);
            obey(io->next);
          }});
  if (failed || is_new) own.waiting->otherwise = own.machine.error();
}

Error Job::Private::add_history(Error error) const {
  const auto& row = io->record.row;
  const bool refused = error.code == ErrorCode::invalid_api_key ||
                       error.code == ErrorCode::ip_not_allowed ||
                       error.code == ErrorCode::task_not_found;
  if (!refused || row.reserved_at == UnixTime{}) return error;
  if (!row.key_mark.empty() && settings.key && io->record.key_mark != row.key_mark) {
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
  auto& own = *io;
  if (own.ended) return;
  log::info(log::Category::job, label(),
            ": the file host refuses the clip's URL: the service is asked for another one");
  if (!settings.key) return give_up(settings.key.error());
  own.machine = TaskMachine(make_machine_settings());
  own.clock = now();
  obey(own.machine.adopt(own.record.row.task_id, own.clock));
}

void Job::Private::after(milliseconds delay, std::function<void()> task) {
  io->timer = thread->after(delay, [self = shared_from_this(), task = std::move(task)] { task(); });
}

void Job::Private::arm(TaskMachine::Time until) {
  const auto delay = std::max(milliseconds(0), std::chrono::ceil<milliseconds>(until - now()));
  after(delay, [this] { obey(io->machine.on_timer(now())); });
}

void Job::Private::give_up(const Error& why) {
  // A job without a task has sent nothing that was accepted.
  const bool has_task = !settings.task_id.empty() || !io->record.row.task_id.empty();
  const auto error = has_task || io->may_be_sent ? why : with_cost(why);
  log::error(log::Category::job, label(), ": gives up: ", error);
  give_back(error, [this, error] {
    if (!io->ended) publish_failure(error);
    release();
  });
}

void Job::Private::abandon() {
  auto& own = *io;
  own.ended = true;
  own.host_check.reset();
  own.webhook.reset();
  log::debug(log::Category::job, label(), ": nobody waits for it any more (", own.machine.state(),
             ")");
  // The only id of a paid task may be on its way, from the service or to the disk. The answer to
  // the open question ends the job.
  if ((own.service && own.service->may_be_sent()) || own.waiting) return;
  if (own.is_posting) own.may_be_sent = false;  // the POST has not begun, and is cancelled
  wind_up();
}

void Job::Private::wind_up() {
  give_back(io->machine.error(), [this] { release(); });
}

void Job::Private::release() {
  auto& own = *io;
  own.timer.cancel();
  own.patience.cancel();
  own.host_check.reset();
  own.webhook.reset();
  own.submission.reset();
  own.writer.reset();
  own.service.reset();
  own.record.is_claimed = false;
  ledger_thread->post([record = record] { record->release_row(); });
}

TaskMachine::Time Job::Private::now() { return std::chrono::steady_clock::now(); }
double Job::Private::random() { return g_random_double(); }

}  // namespace veo
