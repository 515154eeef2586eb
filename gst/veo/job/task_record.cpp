// SPDX-License-Identifier: LGPL-2.1-or-later
#include "task_record.h"

#include <utility>
#include <variant>

#include "veo/core/escape.h"
#include "veo/core/task_id.h"
#include "veo/system/clocks.h"

namespace veo {

namespace {

std::optional<ErrorCode> find_error_code(std::string_view of_nick) {
  for (std::size_t at = 0; at < error_code_count; ++at) {
    const auto code = static_cast<ErrorCode>(at);
    if (nick(code) == of_nick) return code;
  }
  return std::nullopt;
}

}  // namespace

std::shared_ptr<TaskRecord> TaskRecord::make(std::shared_ptr<StoreThread> thread) {
  return {new TaskRecord, [thread = std::move(thread)](TaskRecord* record) {
            thread->post([owned = std::shared_ptr<TaskRecord>(record)] {});
          }};
}

Result<TaskRecord::Standing> TaskRecord::find(const Settings& settings) {
  location_ = settings.ledger;
  cache_directory_ = settings.cache_directory;
  auto ledger = Ledger::open(location_, cache_directory_);
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
  view_.salt = ledger_->salt();
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
  const auto now = read_clocks();
  auto found = ledger_->claim(claim, now);
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
  view_.row.reserved_at = now.wall;
  if (!lost) {
    tell_similar();
    return finish_standing(settings, Standing::ours);
  }
  return restore(settings, *lost);
}

void TaskRecord::tell_similar() {
  // The notice is a courtesy, so a ledger that cannot answer refuses nothing.
  const auto similar = ledger_->find_similar(view_.row);
  if (!similar || !*similar) return;
  const auto& found = **similar;
  view_.notices.push_back("Task " + found.task_id + " of " + to_text(found.reserved_at) +
                          " is paid already, and differs only in white space at the ends of its "
                          "prompt. This request is another one, and is paid for itself. "
                          "To play the earlier one: " +
                          make_task_property(found.task_id) + ".");
}

Result<TaskRecord::Standing> TaskRecord::find_task(const Settings& settings) {
  auto wanted = settings.claim.record;
  wanted.task_id = settings.task_id;
  auto found = ledger_->find_task(wanted);
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
  const auto& row = view_.row;
  if (row.state == RecordState::accepted && row.sending_at && row.accepted_at) {
    if (const auto age = ledger_->find_age(row, read_clocks())) view_.age = *age;
  }
  // The row of a task that was submitted elsewhere has no mode, but the line may have the right
  // one.
  const auto& like = row.mode.empty() ? settings.claim.record : row;
  // Without the times, the polls follow the catalog's guess.
  if (auto times = ledger_->generation_times(like)) view_.generation_times = std::move(*times);
  return standing;
}

std::string TaskRecord::find_newest_url(const std::string& api_url) const {
  if (!ledger_) return "";
  constexpr std::size_t page_size = 50;
  constexpr unsigned most_pages = 20;  // rows of other services may be newer
  HistoryQuery page{
      .states = {RecordState::completed}, .since = {}, .task_id = {}, .limit = page_size};
  for (unsigned i = 0; i < most_pages; ++i) {
    const auto rows = ledger_->history(page);
    if (!rows || !*rows) return "";
    for (const auto& row : **rows) {
      if (row.api_url == api_url && !row.url.empty()) return row.url;
    }
    if ((*rows)->size() < page_size) return "";
    page.after = (*rows)->back().id;
  }
  return "";
}

Status TaskRecord::write_confirmed(const std::string& intent, const ClockReading& at) {
  if (!ledger_) return {};
  auto confirmed = ledger_->confirm(intent, view_.row, at);
  if (!confirmed) return fail(std::move(confirmed.error()));
  view_.row = std::move(*confirmed);
  return {};
}

Status TaskRecord::write_pending() {
  return pending_ ? write_answer(AnswerRecord(*pending_)) : Status();
}

Status TaskRecord::move(RecordState to, const Change& change) {
  if (!has_row()) return {};
  if (auto written = write_pending(); !written) return written;
  auto moved = ledger_->move(view_.row.id, to, change);
  if (!moved) return moved;
  view_.row.state = to;
  const bool is_open = to == RecordState::reserved || to == RecordState::sending;
  if (to == RecordState::reserved) reserve_.reset();
  if (!is_open) let_go();
  return {};
}

Status TaskRecord::write_answer(const AnswerRecord& answer) {
  if (!ledger_) return {};
  const auto& row = answer.record;
  view_.row.task_id = row.task_id;
  view_.row.accepted_at = row.accepted_at;
  view_.row.error_message = row.error_message;
  const bool is_first = !pending_;
  pending_ = answer;
  if (is_first) {
    auto at = read_clocks();
    at.wall = row.accepted_at.value_or(row.finished_at.value_or(at.wall));
    Change change{.at = at, .task_id = row.task_id};
    if (const auto code = find_error_code(row.error)) {
      change.error = Error{.code = *code, .message = row.error_message};
    }
    if (auto moved = ledger_->move(view_.row.id, row.state, change); !moved) return moved;
  } else {
    // A new ledger would hide the old one, whose folder may have been moved or unmounted.
    const auto exists = Ledger::exists(location_);
    if (!exists) return fail(exists.error());
    if (!*exists) {
      return fail(
          {.code = ErrorCode::ledger,
           .message = "The ledger " + location_ + " was removed or moved while it was in use."});
    }
    auto ledger = Ledger::open(location_, cache_directory_);
    if (!ledger) return fail(std::move(ledger.error()));
    auto taken = *ledger ? (*ledger)->take(answer, read_clocks()) : std::optional<Record>();
    if (!taken) return fail(std::move(taken.error()));
    if (!*taken) {
      return fail({.code = ErrorCode::ledger,
                   .message = "The ledger " + location_ +
                              " cannot be used: another program has locked it."});
    }
    if ((*ledger)->salt() != answer.salt) {
      return fail({.code = ErrorCode::ledger,
                   .message = "The ledger " + location_ +
                              " was replaced by another one while it was in use."});
    }
    ledger_ = std::move(*ledger);
    view_.row.id = (*taken)->id;
  }
  view_.row.state = row.state;
  pending_.reset();
  let_go();
  return {};
}

Status TaskRecord::write_sending(const ClockReading& at) {
  view_.row.sending_at = at.wall;
  if (!reserve_) {
    // A disk that is full when the answer comes must not lose the answer.
    auto made = AnswerJournal::beside(location_).reserve(
        {.ledger = location_, .salt = view_.salt, .record = view_.row});
    if (!made) return fail(std::move(made.error()));
    reserve_ = std::move(*made);
  }
  return move(RecordState::sending, {.at = at});
}

Status TaskRecord::write_held(const ClockReading& at) {
  return move(RecordState::reserved, {.at = at});
}

Status TaskRecord::write_released(const std::optional<Error>& why, const ClockReading& at) {
  return move(RecordState::released, {.at = at, .error = why});
}

Status TaskRecord::write_balance(const Error& why, double balance, const ClockReading& at) {
  view_.row.balance = balance;
  return move(RecordState::unknown,
              {.at = at, .task_id = why.task_id, .error = why, .balance = balance});
}

Status TaskRecord::write_completed(const std::string& url,
                                   std::optional<std::chrono::milliseconds> took,
                                   const ClockReading& at) {
  // If the job has asked for a fresh URL, the row is `completed` already, and gets the URL.
  return move(RecordState::completed, {.at = at, .url = url, .generation_time = took});
}

Status TaskRecord::write_without_video(const Error& why, const ClockReading& at) {
  auto written = move(RecordState::completed, {.at = at, .error = why});
  if (written) view_.row.error = nick(why.code);
  return written;
}

Status TaskRecord::write_failed(const Error& why, const ClockReading& at) {
  return move(RecordState::failed, {.at = at, .error = why});
}

Status TaskRecord::write_kept(const CachedClip& clip) {
  if (!has_row()) return {};
  if (auto written = write_pending(); !written) return written;
  return ledger_->keep(view_.row.id, clip);
}

void TaskRecord::release_row() {
  if (!pending_) let_go();
}

void TaskRecord::let_go() {
  reservation_.reset();
  reserve_.reset();
  view_.is_claimed = false;
}

}  // namespace veo
