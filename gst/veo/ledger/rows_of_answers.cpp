// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The rows of answers that the ledger could not take when they came. A row may have changed since:
// its owner is gone, the user has decided, or the ledger is an older copy or a new file.
#include <utility>

#include "rows.h"

namespace veo {

namespace {

/// Whether an answer can still decide the row.
bool is_open(RecordState state) {
  return state == RecordState::reserved || state == RecordState::sending ||
         state == RecordState::released || state == RecordState::unknown;
}

bool is_constraint(int code) { return (code & 0xff) == SQLITE_CONSTRAINT; }

}  // namespace

int Rows::write_answer(const Record& answer, std::int64_t row, RecordState state,
                       LedgerTime time) const {
  auto statement = prepare(
      "UPDATE submission SET state = ?, task_id = ?, sending_at = coalesce(sending_at, ?), "
      "accepted_at = ?, finished_at = ?, error = ?, error_message = ?, "
      "changed_ledger_time = ? WHERE id = ?");
  return change_one(statement.bind(nick(state))
                        .bind(answer.task_id)
                        .bind(integer(answer.sending_at))
                        .bind(integer(answer.accepted_at))
                        .bind(integer(answer.finished_at))
                        .bind(answer.error)
                        .bind(answer.error_message)
                        .bind(std::int64_t{time.time_since_epoch().count()})
                        .bind(row));
}

int Rows::take(const Record& answer, bool is_own, const LedgerClock& now, Record& row) const {
  row = {};
  const bool is_accepted = answer.state == RecordState::accepted;
  if (is_accepted) {
    std::vector<Record> known;
    const int code = find_of_task(known, answer.api_url, answer.task_id);
    if (code != SQLITE_OK) return code;
    for (auto& found : known) {
      // A row without an intent is the one of a user who has named the task.
      if (found.intent.empty() || is_open(found.state)) continue;
      row = std::move(found);
      return SQLITE_OK;
    }
  }

  // The submission's own row. In another ledger its id belongs to another submission.
  Record own;
  bool is_there = false;
  if (is_own) {
    const int code = get(own, answer.id);
    if (code != SQLITE_OK && code != SQLITE_MISMATCH) return code;
    is_there = code == SQLITE_OK && own.intent == answer.intent && own.instance == answer.instance;
  }
  int code = SQLITE_OK;
  std::int64_t id = answer.id;
  if (is_there && !is_accepted && !is_running(own)) {
    // The row says more than this answer: leave it.
  } else if (is_there && is_open(own.state)) {
    code = write_answer(answer, id, answer.state, now.time);
    // Another submission of the intent was made in between. Keep the task id of this one.
    if (is_constraint(code)) code = write_answer(answer, id, RecordState::superseded, now.time);
  } else if (is_there && own.state == RecordState::superseded) {
    code = write_answer(answer, id, RecordState::superseded, now.time);
  } else if (answer.state == RecordState::released) {
    return SQLITE_OK;  // nothing was paid, so a missing row is not missed
  } else {
    auto made = answer;
    auto at = now;
    at.last.wall = answer.reserved_at;
    if (!is_own) made.key_mark.clear();  // made with another ledger's salt
    code = insert(made, answer.state, at, id);
    auto state = answer.state;
    if (is_constraint(code)) {
      state = RecordState::superseded;
      code = insert(made, state, at, id);
    }
    if (code == SQLITE_OK) code = write_answer(answer, id, state, now.time);
  }
  // The submission's row now has the task, so the task's foreign row goes.
  if (code == SQLITE_OK && is_accepted) code = remove_foreign(answer.api_url, answer.task_id);
  return code == SQLITE_OK ? get(row, id) : code;
}

}  // namespace veo
