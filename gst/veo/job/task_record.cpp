// SPDX-License-Identifier: LGPL-2.1-or-later
#include "task_record.h"

#include <utility>
#include <variant>

#include "veo/system/clocks.h"

namespace veo {

std::shared_ptr<TaskRecord> TaskRecord::make(std::shared_ptr<StoreThread> thread) {
  return {new TaskRecord, [thread = std::move(thread)](TaskRecord* record) {
            thread->post([owned = std::shared_ptr<TaskRecord>(record)] {});
          }};
}

Result<TaskRecord::Standing> TaskRecord::find(const Settings& settings) {
  auto ledger = Ledger::open(settings.ledger);
  if (!ledger) {
    if (settings.task_id.empty()) return fail(std::move(ledger.error()));
    // Play the task without a record, because playing costs nothing.
    view_.notices.push_back(ledger.error().message + " Task " + settings.task_id +
                            " is played without a record.");
    view_.row = settings.claim.record;
    view_.row.task_id = settings.task_id;
    view_.row.state = RecordState::accepted;
    return Standing::known;
  }
  if (!*ledger) return Standing::undecided;
  ledger_ = std::move(*ledger);
  if (settings.key) view_.key_mark = settings.key->make_mark(ledger_->salt());
  if (!settings.task_id.empty()) return find_task(settings);

  // With reuse=false (an instance is set) the clip in the cache is not the wanted one.
  const auto& wanted = settings.claim.record;
  if (wanted.instance.empty()) {
    auto known = ledger_->has_intent(wanted.intent);
    if (!known) return fail(std::move(known.error()));
    if (!*known) return Standing::unheard_of;
  }
  return claim(settings, std::nullopt);
}

Result<TaskRecord::Standing> TaskRecord::claim(const Settings& settings,
                                               const std::optional<CachedClip>& lost) {
  auto claim = settings.claim;
  claim.record.key_mark = view_.key_mark;
  if (lost) {
    // Nothing is submitted for a clip that is here, so no rule and no budget may refuse it.
    claim.refusal.reset();
    claim.daily_budget.reset();
    claim.record.by_uri = false;
  }
  const auto now = read_clocks();
  auto found = ledger_->claim(claim, now);
  if (!found) return fail(std::move(found.error()));
  if (std::holds_alternative<Later>(*found)) return Standing::undecided;
  if (auto* record = std::get_if<Record>(&*found)) {
    view_.row = std::move(*record);
    return finish_standing(Standing::known, settings.claim.record);
  }
  reservation_ = std::move(std::get<Reservation>(*found));
  view_.is_claimed = true;
  view_.row = std::move(claim.record);
  view_.row.id = reservation_->row();
  view_.row.reserved_at = now.wall;
  if (!lost) return finish_standing(Standing::ours, settings.claim.record);
  return restore(settings, *lost);
}

Result<TaskRecord::Standing> TaskRecord::find_task(const Settings& settings) {
  auto wanted = settings.claim.record;
  wanted.task_id = settings.task_id;
  auto found = ledger_->find_task(wanted);
  if (found) {
    if (!*found) return Standing::undecided;
    view_.row = std::move(**found);
    return finish_standing(Standing::known, settings.claim.record);
  }
  view_.notices.push_back(found.error().message + " Task " + settings.task_id +
                          " is played without a record.");
  ledger_.reset();
  view_.row = std::move(wanted);
  view_.row.state = RecordState::accepted;
  return Standing::known;
}

Result<TaskRecord::Standing> TaskRecord::restore(const Settings& settings, const CachedClip& clip) {
  auto restored = ledger_->restore(*reservation_, clip, read_clocks());
  auto record = restored ? ledger_->get(reservation_->row()) : fail(std::move(restored.error()));
  release_row();
  if (!record) return fail(std::move(record.error()));
  view_.notices.push_back(
      "The ledger " + settings.ledger +
      " does not know this request, but the cache has the clip of its task " +
      clip.identity.task_id +
      ", which is played. If the ledger was lost, so is the record of what else was "
      "paid. Set take for another one.");
  view_.row = std::move(*record);
  return Standing::known;
}

Result<TaskRecord::Standing> TaskRecord::finish_standing(Standing standing, const Record& wanted) {
  const auto& row = view_.row;
  if (row.state == RecordState::accepted && row.sending_at && row.accepted_at) {
    if (const auto age = ledger_->find_age(row, read_clocks())) view_.age = *age;
  }
  // The row of a task that was submitted elsewhere has no mode, but the line may have the right
  // one.
  const auto& like = row.mode.empty() ? wanted : row;
  // Without the times, the polls follow the catalog's guess.
  if (auto times = ledger_->generation_times(like)) view_.generation_times = std::move(*times);
  return standing;
}

Status TaskRecord::write_confirmed(const std::string& intent, const ClockReading& at) {
  if (!ledger_) return {};
  auto confirmed = ledger_->confirm(intent, view_.row, at);
  if (!confirmed) return fail(std::move(confirmed.error()));
  view_.row = std::move(*confirmed);
  return {};
}

Status TaskRecord::move(RecordState to, const Change& change) {
  if (!has_row()) return {};
  auto moved = ledger_->move(view_.row.id, to, change);
  if (!moved) return moved;
  view_.row.state = to;
  const bool is_open = to == RecordState::reserved || to == RecordState::sending;
  if (!is_open) release_row();
  return {};
}

Status TaskRecord::write_sending(const ClockReading& at) {
  view_.row.sending_at = at.wall;
  return move(RecordState::sending, {.at = at});
}

Status TaskRecord::write_held(const ClockReading& at) {
  return move(RecordState::reserved, {.at = at});
}

Status TaskRecord::write_released(const std::optional<Error>& why, const ClockReading& at) {
  return move(RecordState::released, {.at = at, .error = why});
}

Status TaskRecord::write_unknown(const Error& why, std::optional<double> balance,
                                 const ClockReading& at) {
  view_.row.balance = balance;
  view_.row.error_message = why.message;
  return move(RecordState::unknown,
              {.at = at, .task_id = why.task_id, .error = why, .balance = balance});
}

Status TaskRecord::write_accepted(const std::string& task_id, const ClockReading& at) {
  view_.row.task_id = task_id;
  view_.row.accepted_at = at.wall;
  return move(RecordState::accepted, {.at = at, .task_id = task_id});
}

Status TaskRecord::write_completed(const std::string& url,
                                   std::optional<std::chrono::milliseconds> took,
                                   const ClockReading& at) {
  // If the job has asked for a fresh URL, the row is `completed` already, and gets the URL.
  return move(RecordState::completed, {.at = at, .url = url, .generation_time = took});
}

Status TaskRecord::write_failed(const Error& why, const ClockReading& at) {
  return move(RecordState::failed, {.at = at, .error = why});
}

Status TaskRecord::write_kept(const CachedClip& clip) {
  if (!has_row()) return {};
  return ledger_->keep(view_.row.id, clip);
}

void TaskRecord::release_row() {
  reservation_.reset();
  view_.is_claimed = false;
}

}  // namespace veo
