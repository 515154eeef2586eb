// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/job/job.h"

#include <algorithm>
#include <utility>

#include "job_private.h"
#include "job_registry.h"
#include "veo/core/url_policy.h"
#include "veo/system/exit_hold.h"

namespace veo {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

namespace {

/// Whether the two differ in counts only. A change of a count wakes nobody.
bool is_alike(const Job::Snapshot& before, const Job::Snapshot& after) {
  const auto text = [](const std::optional<Error>& error) {
    return error ? error->message : std::string();
  };
  return before.phase == after.phase && before.status == after.status &&
         before.task_id == after.task_id && before.reused == after.reused &&
         before.percent == after.percent && before.notices.size() == after.notices.size() &&
         text(before.error) == text(after.error) && text(before.trouble) == text(after.trouble);
}

}  // namespace

void Job::Private::Shared::open_clip() {
  clip = Clip::open(*clip_settings);
  std::erase_if(of_this_url, [](const auto& weak) { return weak.expired(); });
  of_this_url.push_back(clip);
}

std::string Job::Private::name_of(const Settings& settings) {
  const auto& wanted = settings.claim.record;
  const auto what = settings.task_id.empty()
                        ? "intent\n" + wanted.intent + "\n" + wanted.instance
                        : "task\n" + settings.access.api_url + "\n" + settings.task_id;
  return settings.ledger + "\n" + what;
}

void Job::Private::publish() {
  const auto& own = *io;
  const auto& machine = own.machine;
  const bool completed = machine.state() == TaskMachine::State::completed;
  bool changed = false;
  {
    auto seen = shared.lock();
    auto& snapshot = seen->snapshot;
    const auto before = snapshot;
    snapshot.phase = phase();
    snapshot.status = machine.status();
    snapshot.task_id = machine.task_id();
    snapshot.report = machine.report();
    if (snapshot.report) snapshot.report->created_at = find_submission_date();
    snapshot.percent =
        machine.report() ? compute_percent(machine.report()->progress) : std::nullopt;
    snapshot.error = machine.error();
    snapshot.trouble = machine.trouble();
    if (own.service) snapshot.requests = own.service->requests();
    snapshot.polls = own.polls;
    snapshot.retries = machine.retries();
    if (own.accepted_at) {
      snapshot.submit_time = duration_cast<milliseconds>(*own.accepted_at - own.started);
      if (completed) {
        snapshot.generate_time = duration_cast<milliseconds>(now() - *own.accepted_at);
      }
    }
    if (completed) seen->clip_settings = std::make_unique<const Clip::Settings>(describe_clip());
    changed = !is_alike(before, snapshot);
  }
  // One more poll is no reason to wake the subscribers.
  if (changed) subscribers.notify();
}

std::optional<std::int64_t> Job::Private::find_submission_date() const {
  const auto& row = io->record.row;
  if (!row.sending_at || !row.accepted_at) return std::nullopt;
  return std::chrono::floor<std::chrono::seconds>(row.accepted_at->time_since_epoch()).count();
}

void Job::Private::add_notice(const std::string& text) {
  {
    auto seen = shared.lock();
    auto& notices = seen->snapshot.notices;
    if (std::ranges::find(notices, text) != notices.end()) return;
    notices.push_back(text);
  }
  subscribers.notify();
}

Clip::Settings Job::Private::describe_clip() const {
  const auto& own = *io;
  const auto& row = own.record.row;
  const auto& urls = own.machine.report()->urls;
  const auto record_it = [record = record, store = ledger_thread, io = thread,
                          behind = std::weak_ptr(own.writer)](
                             const CachedClip& cached, std::function<void(Status)> recorded) {
    if (const auto writer = behind.lock(); writer && !writer->is_recorded()) {
      // The clip does not wait for a ledger that is locked or broken. If the ledger never learns of
      // the clip, the next run finds it in the cache.
      writer->when_recorded([cached](TaskRecord& it) { static_cast<void>(it.write_kept(cached)); });
      return recorded({});
    }
    http::call_store(
        *store, io, [record, cached] { return record->write_kept(cached); }, std::move(recorded));
  };
  return {.url = urls.empty() ? "" : urls.front(),
          .policy = make_file_policy(),
          .network = settings.network,
          .api_url = settings.access.api_url,
          .task_id = own.machine.task_id(),
          .intent = row.intent,
          .ledger = own.record.ledger,
          .cache = own.cache,
          .keep = settings.cache_limit != 0U,
          .sha256 = row.clip_sha256,
          .size = row.clip_size,
          .kept = record_it};
}

Job::Phase Job::Private::phase() const {
  switch (io->machine.state()) {
    case TaskMachine::State::idle:
      return Phase::finding;
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

Job::Job() = default;

Job::Joined Job::join(Settings settings) {
  const auto fits = [&settings](const Job& job) {
    return job.p_->settings == settings && job.snapshot().phase != Phase::failed;
  };
  const auto make = [&settings] {
    std::shared_ptr<Job> job(new Job);
    job->p_ = std::make_shared<Private>(std::move(settings));
    job->p_->thread->post([p = job->p_] { p->begin(); });
    return job;
  };
  return JobRegistry::join(Private::name_of(settings), fits, make);
}

// The I/O thread ends the job, and then also drops the last reference.
Job::~Job() {
  const auto thread = p_->thread;
  thread->post([p = std::move(p_), hold = hold_exit()] { p->abandon(); });
}

Job::Snapshot Job::snapshot() const { return p_->take_snapshot(); }

void Job::subscribe(std::weak_ptr<Wakeup> wakeup) { p_->subscribers.add(std::move(wakeup)); }

std::shared_ptr<Clip> Job::clip() {
  auto seen = p_->shared.lock();
  auto& clip = seen->clip;
  const auto* const settings = seen->clip_settings.get();
  // Make a new clip in place of one that has failed.
  if (clip && clip->failure() && !clip->is_refused()) clip.reset();
  // A clip that is not kept has one reader, so another caller gets a clip of its own.
  const bool is_shared = clip && settings != nullptr && settings->keep;
  if (!is_shared && settings != nullptr) seen->open_clip();
  return clip;
}

void Job::fetch() {
  auto seen = p_->shared.lock();
  const bool is_kept = seen->clip_settings && seen->clip_settings->keep;
  if (is_kept && !seen->clip) seen->open_clip();
}

bool Job::renew(const std::shared_ptr<Clip>& refused) {
  {
    auto seen = p_->shared.lock();
    const bool is_of_this_url = std::ranges::any_of(
        seen->of_this_url, [&](const auto& weak) { return weak.lock() == refused; });
    if (is_of_this_url) {
      if (std::exchange(seen->renewed, true)) return false;
      seen->snapshot.phase = Phase::generating;
      seen->clip_settings.reset();
      seen->clip.reset();
      seen->of_this_url.clear();
      p_->thread->post([p = p_] { p->ask_again(); });
      return true;
    }
  }
  // Another reader has asked already. The answer may be here, so notify this reader.
  p_->subscribers.notify();
  return true;
}

}  // namespace veo
