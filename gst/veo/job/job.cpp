// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/job/job.h"

#include <algorithm>
#include <utility>

#include "job_private.h"
#include "job_registry.h"
#include "veo/core/url_policy.h"

namespace veo {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

namespace {

/// Whether there is nothing new to tell. Counts are for who asks.
bool looks_like(const Job::Snapshot& before, const Job::Snapshot& after) {
  const auto text = [](const std::optional<Error>& error) {
    return error ? error->message : std::string();
  };
  return before.phase == after.phase && before.status == after.status &&
         before.task_id == after.task_id && before.reused == after.reused &&
         before.percent == after.percent && before.notices.size() == after.notices.size() &&
         text(before.error) == text(after.error) && text(before.trouble) == text(after.trouble);
}

}  // namespace

std::string Job::Private::name_of(const Settings& settings) {
  const auto& wanted = settings.claim.record;
  const auto what = settings.task_id.empty()
                        ? "intent\n" + wanted.intent + "\n" + wanted.instance
                        : "task\n" + settings.api_url + "\n" + settings.task_id;
  return settings.ledger + "\n" + what;
}

Job::Snapshot Job::Private::look() const {
  const std::lock_guard lock(mutex);
  return snapshot;
}

void Job::Private::publish() {
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

void Job::Private::add_notice(const std::string& text) {
  {
    const std::lock_guard lock(mutex);
    auto& notices = snapshot.notices;
    if (std::ranges::find(notices, text) != notices.end()) return;
    notices.push_back(text);
  }
  subscribers.notify();
}

Clip::Settings Job::Private::describe_clip() const {
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
          .kept = [record = record](const CachedClip& cached, const auto& recorded) {
            recorded(record->kept(cached));
          }};
}

Job::Phase Job::Private::phase() const {
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
  return JobRegistry::join(Private::name_of(settings), fits, make);
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
  if (p_->clip && p_->clip->failure() && !p_->clip->is_refused()) p_->clip.reset();
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
