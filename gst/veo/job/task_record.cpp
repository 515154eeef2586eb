// SPDX-License-Identifier: LGPL-2.1-or-later
#include "task_record.h"

#include <utility>
#include <variant>

namespace veo {

UnixTime unix_now() {
  return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

Result<TaskRecord::Standing> TaskRecord::look_up(const Settings& settings) {
  if (!cache_) {
    auto cache = Cache::open(settings.cache_directory, settings.cache_limit);
    if (!cache) return fail(std::move(cache.error()));
    cache_ = std::move(*cache);
  }
  auto ledger = Ledger::open(settings.ledger);
  if (!ledger) {
    if (settings.task_id.empty()) return fail(std::move(ledger.error()));
    // Nothing is paid by playing what is there.
    notices_.push_back(ledger.error().message + " Task " + settings.task_id +
                       " is played without a record.");
    record_ = settings.claim.record;
    record_.task_id = settings.task_id;
    record_.state = RecordState::accepted;
    return Standing::known;
  }
  if (!*ledger) return Standing::undecided;
  ledger_ = std::move(*ledger);
  if (!settings.task_id.empty()) return look_up_task(settings);

  auto claim = settings.claim;
  if (settings.key != nullptr) claim.record.key_mark = settings.key->mark(ledger_->salt());
  auto lost = find_lost(claim.record);
  if (!lost) return fail(std::move(lost.error()));
  if (*lost) {
    // What is here is not submitted: nothing can refuse it.
    claim.refusal.reset();
    claim.daily_budget.reset();
    claim.record.by_uri = false;
  }
  auto found = ledger_->claim(claim, unix_now());
  if (!found) return fail(std::move(found.error()));
  if (std::holds_alternative<Later>(*found)) return Standing::undecided;
  if (auto* record = std::get_if<Record>(&*found)) {
    record_ = std::move(*record);
    return know_clip();
  }
  reservation_ = std::move(std::get<Reservation>(*found));
  record_ = std::move(claim.record);
  record_.id = reservation_->row();
  record_.reserved_at = unix_now();
  if (!*lost) return Standing::ours;
  return restore(settings, **lost);
}

Result<TaskRecord::Standing> TaskRecord::look_up_task(const Settings& settings) {
  auto wanted = settings.claim.record;
  wanted.task_id = settings.task_id;
  auto found = ledger_->adopt(wanted, unix_now());
  if (found) {
    if (!*found) return Standing::undecided;
    record_ = std::move(**found);
    return know_clip();
  }
  notices_.push_back(found.error().message + " Task " + settings.task_id +
                     " is played without a record.");
  ledger_.reset();
  record_ = std::move(wanted);
  record_.state = RecordState::accepted;
  return Standing::known;
}

/// A process may have ended between the clip's coming to the cache and the record of it.
Result<TaskRecord::Standing> TaskRecord::know_clip() {
  if (record_.state != RecordState::completed || !record_.clip_sha256.empty()) {
    return Standing::known;
  }
  // Where the cache cannot be read, there is a URL.
  if (auto clip = cache_->find_task(record_.api_url, record_.task_id); clip && *clip) {
    record_.clip_sha256 = (*clip)->sha256;
    record_.clip_size = (*clip)->size;
  }
  return Standing::known;
}

/// The clip of an intent that the ledger does not know (any more). An element with reuse=false asks
/// for another one.
Result<std::optional<CachedClip>> TaskRecord::find_lost(const Record& wanted) {
  const auto nothing = std::optional<CachedClip>();
  if (!wanted.instance.empty()) return nothing;
  auto known = ledger_->knows(wanted.intent);
  if (!known) return fail(std::move(known.error()));
  if (*known) return nothing;
  return cache_->find_intent(wanted.api_url, wanted.intent);
}

Result<TaskRecord::Standing> TaskRecord::restore(const Settings& settings, const CachedClip& clip) {
  auto restored = ledger_->restore(*reservation_, clip, unix_now());
  auto record = restored ? ledger_->get(reservation_->row()) : fail(std::move(restored.error()));
  reservation_.reset();
  if (!record) return fail(std::move(record.error()));
  notices_.push_back("The ledger " + settings.ledger +
                     " does not know this request, but the cache has the clip of its task " +
                     clip.identity.task_id +
                     ", which is played. If the ledger was lost, so is the record of what else was "
                     "paid. Set take for another one.");
  record_ = std::move(*record);
  return Standing::known;
}

Status TaskRecord::confirmed(const std::string& intent) {
  if (!ledger_) return {};
  auto answered = ledger_->answer(intent, record_, unix_now());
  if (!answered) return fail(std::move(answered.error()));
  if (*answered) record_ = std::move(**answered);
  return {};
}

std::vector<std::chrono::milliseconds> TaskRecord::generation_times() const {
  if (!ledger_) return {};
  return ledger_->generation_times(record_).value_or(std::vector<std::chrono::milliseconds>());
}

std::string TaskRecord::mark_of(const Secret& key) const {
  return ledger_ ? key.mark(ledger_->salt()) : "";
}

Status TaskRecord::move(RecordState to, Change change) {
  if (!ledger_) return {};
  change.at = unix_now();
  auto moved = ledger_->move(record_.id, to, change);
  if (!moved) return moved;
  record_.state = to;
  const bool is_open = to == RecordState::reserved || to == RecordState::sending;
  if (!is_open) reservation_.reset();
  return {};
}

Status TaskRecord::sending() {
  record_.sending_at = unix_now();
  return move(RecordState::sending, {});
}

Status TaskRecord::held() { return move(RecordState::reserved, {}); }

Status TaskRecord::released(const std::optional<Error>& why) {
  return move(RecordState::released, {.error = why});
}

Status TaskRecord::unknown(const Error& why, std::optional<double> balance) {
  record_.balance = balance;
  record_.error_message = why.message;
  return move(RecordState::unknown, {.task_id = why.task_id, .error = why, .balance = balance});
}

Status TaskRecord::accepted(const std::string& task_id) {
  record_.task_id = task_id;
  record_.accepted_at = unix_now();
  return move(RecordState::accepted, {.task_id = task_id});
}

Status TaskRecord::completed(const std::string& url,
                             std::optional<std::chrono::milliseconds> took) {
  // A clip that is asked for again has a fresh URL; the row is where it was.
  return move(RecordState::completed, {.url = url, .generation_time = took});
}

Status TaskRecord::failed(const Error& why) { return move(RecordState::failed, {.error = why}); }

Status TaskRecord::kept(const CachedClip& clip) {
  if (!ledger_) return {};
  return ledger_->keep(record_.id, clip);
}

}  // namespace veo
