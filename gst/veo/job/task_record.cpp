// SPDX-License-Identifier: LGPL-2.1-or-later
#include "task_record.h"

#include <utility>
#include <variant>

#include "veo/core/escape.h"

namespace veo {

UnixTime unix_now() {
  return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

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
  view_.ledger = ledger_->identity();
  if (settings.key) view_.key_mark = settings.key->make_mark(ledger_->salt());
  if (!settings.task_id.empty()) return find_task(settings);

  auto established = ledger_->is_established();
  if (!established) return fail(std::move(established.error()));
  auto gap = ledger_->find_gap();
  if (!gap) return fail(std::move(gap.error()));
  // A ledger with a gap refuses the claim itself, and says how much is missing.
  view_.needs_proof = !*established && !*gap;
  // With reuse=false (an instance is set) the clip in the cache is not the wanted one.
  const auto& wanted = settings.claim.record;
  if (wanted.instance.empty()) {
    auto known = ledger_->has_intent(wanted.intent);
    if (!known) return fail(std::move(known.error()));
    if (!*known) return Standing::unheard_of;
  } else if (view_.needs_proof) {
    return Standing::unheard_of;
  }
  return claim(settings, std::nullopt);
}

Result<TaskRecord::Standing> TaskRecord::claim(const Settings& settings,
                                               const std::optional<CachedClip>& lost) {
  auto claim = settings.claim;
  claim.record.key_mark = view_.key_mark;
  if (lost) {
    // Nothing is submitted for a clip that is here, so no rule and no budget may refuse it.
    claim.restores = true;
    claim.refusal.reset();
    claim.daily_budget.reset();
    claim.record.by_uri = false;
  }
  auto found = ledger_->claim(claim, unix_now());
  if (!found) return fail(std::move(found.error()));
  if (std::holds_alternative<Later>(*found)) return Standing::undecided;
  if (auto* record = std::get_if<Record>(&*found)) {
    view_.row = std::move(*record);
    return finish_standing(settings, Standing::known);
  }
  reservation_ = std::move(std::get<Reservation>(*found));
  view_.is_claimed = true;
  view_.row = std::move(claim.record);
  view_.row.id = reservation_->row();
  view_.row.reserved_at = unix_now();
  if (!lost) return finish_standing(settings, Standing::ours);
  return restore(settings, *lost);
}

Result<TaskRecord::Standing> TaskRecord::find_task(const Settings& settings) {
  auto wanted = settings.claim.record;
  wanted.task_id = settings.task_id;
  auto found = ledger_->adopt(wanted, unix_now());
  if (found) {
    if (!*found) return Standing::undecided;
    view_.row = std::move(**found);
    return finish_standing(settings, Standing::known);
  }
  view_.notices.push_back(found.error().message + " Task " + settings.task_id +
                          " is played without a record.");
  ledger_.reset();
  view_.row = std::move(wanted);
  view_.row.state = RecordState::accepted;
  view_.ledger = {};
  return Standing::known;
}

Result<TaskRecord::Standing> TaskRecord::restore(const Settings& settings, const CachedClip& clip) {
  auto restored = ledger_->restore(*reservation_, clip, unix_now());
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

Result<TaskRecord::Standing> TaskRecord::finish_standing(const Settings& settings,
                                                         Standing standing) {
  if (standing == Standing::known) {
    if (const auto gap = ledger_->find_gap(); gap && *gap) {
      view_.notices.push_back(describe_gap(settings.ledger, **gap) +
                              " This task is known, and costs nothing now. Nothing new is "
                              "submitted with this ledger until the newest copy is back, or until "
                              "you say: veo ledger accept --ledger=" +
                              quote_for_shell(settings.ledger));
    }
  }
  // Without the times, the polls follow the catalog's guess.
  if (auto times = ledger_->generation_times(view_.row)) view_.generation_times = std::move(*times);
  return standing;
}

Status TaskRecord::write_confirmed(const std::string& intent, UnixTime at) {
  if (!ledger_) return {};
  auto answered = ledger_->answer(intent, view_.row, at);
  if (!answered) return fail(std::move(answered.error()));
  if (*answered) view_.row = std::move(**answered);
  return {};
}

Status TaskRecord::move(RecordState to, const Change& change) {
  if (!ledger_) return {};
  auto moved = ledger_->move(view_.row.id, to, change);
  if (!moved) return moved;
  view_.row.state = to;
  const bool is_open = to == RecordState::reserved || to == RecordState::sending;
  if (!is_open) release_row();
  return {};
}

Status TaskRecord::write_sending(UnixTime at) {
  view_.row.sending_at = at;
  return move(RecordState::sending, {.at = at});
}

Status TaskRecord::write_held(UnixTime at) { return move(RecordState::reserved, {.at = at}); }

Status TaskRecord::write_released(const std::optional<Error>& why, UnixTime at) {
  return move(RecordState::released, {.at = at, .error = why});
}

Status TaskRecord::write_unknown(const Error& why, std::optional<double> balance, UnixTime at) {
  view_.row.balance = balance;
  view_.row.error_message = why.message;
  return move(RecordState::unknown,
              {.at = at, .task_id = why.task_id, .error = why, .balance = balance});
}

Status TaskRecord::write_accepted(const std::string& task_id, UnixTime at) {
  view_.row.task_id = task_id;
  view_.row.accepted_at = at;
  return move(RecordState::accepted, {.at = at, .task_id = task_id});
}

Status TaskRecord::write_completed(const std::string& url,
                                   std::optional<std::chrono::milliseconds> took, UnixTime at) {
  // If the job has asked for a fresh URL, the row is `completed` already, and gets the URL.
  return move(RecordState::completed, {.at = at, .url = url, .generation_time = took});
}

Status TaskRecord::write_failed(const Error& why, UnixTime at) {
  return move(RecordState::failed, {.at = at, .error = why});
}

Status TaskRecord::write_kept(const CachedClip& clip) {
  if (!ledger_) return {};
  return ledger_->keep(view_.row.id, clip);
}

void TaskRecord::release_row() {
  reservation_.reset();
  view_.is_claimed = false;
}

}  // namespace veo
