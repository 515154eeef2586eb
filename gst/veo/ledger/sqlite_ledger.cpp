// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sqlite_ledger.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <utility>

#include "backup.h"
#include "claim_rules.h"
#include "row_lock.h"
#include "veo/core/log.h"
#include "veo/system/exit_hold.h"
#include "veo/system/store_thread.h"

namespace veo {

namespace {

class LockedRow final : public Ownership {
 public:
  explicit LockedRow(RowLock lock) : lock_(std::move(lock)) {}

 private:
  RowLock lock_;
};

/// The process's ledgers. They are never closed: the threads that use them may outlive the static
/// destructors, and each change has its own checkpoint.
Guarded<std::map<std::string, std::shared_ptr<SqliteLedger>>>& process() {
  static auto* const instance = new Guarded<std::map<std::string, std::shared_ptr<SqliteLedger>>>;
  return *instance;
}

/// The work of one transaction. Each step returns SQLite's code. `error` has the error for the
/// caller: with SQLITE_OK a refusal, which keeps the rows that were settled; with SQLITE_ABORT a
/// failure.
class Transaction {
 public:
  explicit Transaction(const Rows& rows) : rows_(rows) {}

  /// Settles the rows of dead owners, as docs/money.md says. An owner keeps its lock until after
  /// the commit of the row's outcome, so an open row without a lock has a dead owner.
  int settle(std::vector<Record>& rows) {
    for (auto& row : rows) {
      if (!is_running(row)) continue;
      auto lock = RowLock::try_acquire(rows_.connection().lock_path(), row.id);
      if (!lock) return stop(std::move(lock.error()));
      if (!*lock) continue;
      const auto before = row.state;
      row.state = row.state == RecordState::reserved ? RecordState::released : RecordState::unknown;
      log::warning(log::Category::ledger, "row ", row.id, ": its owner has gone: ", before, " -> ",
                   row.state);
      if (const int code = rows_.set_state(row.id, row.state); code != SQLITE_OK) return code;
    }
    return SQLITE_OK;
  }

  int settle_all() {
    std::vector<Record> running;
    const int code = rows_.find_running(running);
    return code == SQLITE_OK ? settle(running) : code;
  }

  /// Decides the claim. `found` is empty if there is an error: see `error`.
  int decide(const Claim& claim, UnixTime now, std::optional<Finding>& found) {
    std::vector<Record> rows;
    int code = rows_.find_of_intent(rows, claim.record.intent);
    if (code == SQLITE_OK) code = settle(rows);
    if (code != SQLITE_OK) return code;
    auto verdict = judge(claim, rows, now);
    if (auto* refusal = std::get_if<Error>(&verdict)) return refuse(std::move(*refusal));
    if (auto* record = std::get_if<Record>(&verdict)) {
      found = std::move(*record);
      return SQLITE_OK;
    }
    if (std::holds_alternative<Later>(verdict)) {
      found = Later{};
      return SQLITE_OK;
    }
    if (const auto& gap = rows_.connection().gap(); gap && !claim.restores) {
      return refuse(make_gap_error(rows_.connection().path(), *gap));
    }
    if (code = admit(claim, now); code != SQLITE_OK || error) return code;

    // The intent may be submitted. From here on, all changes are made or none.
    for (const auto& row : rows) {
      if (row.state != RecordState::unknown) continue;
      if (code = rows_.supersede(row.id, now); code != SQLITE_OK) return code;
    }
    if (!claim.restores) {
      if (code = rows_.connection().establish(); code != SQLITE_OK) return code;
    }
    return reserve(claim.record, now, found);
  }

  std::optional<Error> error;

 private:
  int admit(const Claim& claim, UnixTime now) {
    Spending spending;
    if (has_budget(claim)) {
      // Credits that dead owners have reserved for other intents do not count.
      int code = settle_all();
      if (code == SQLITE_OK) code = rows_.sum_spending(spending, now - budget_window);
      if (code != SQLITE_OK) return code;
    }
    auto fits = check_budgets(claim, spending, now);
    return fits ? SQLITE_OK : refuse(std::move(fits.error()));
  }

  int reserve(const Record& record, UnixTime now, std::optional<Finding>& found) {
    std::optional<UnixTime> last;
    if (const int code = rows_.read_newest(last); code != SQLITE_OK) return code;
    std::int64_t id = 0;
    const int code =
        rows_.insert(record, RecordState::reserved, std::max(now, last.value_or(now)), id);
    if (code != SQLITE_OK) return code;
    auto lock = RowLock::try_acquire(rows_.connection().lock_path(), id);
    if (!lock) return stop(std::move(lock.error()));
    // SQLite never uses an id twice, and no process locks a row that the process cannot see. But
    // the ledger may have been removed and made anew while an owner of the old ledger is alive.
    if (!*lock) return SQLITE_BUSY;
    found.emplace(Reservation(id, std::make_unique<LockedRow>(std::move(**lock))));
    return SQLITE_OK;
  }

  int refuse(Error why) {
    error = std::move(why);
    return SQLITE_OK;
  }
  int stop(Error why) {
    error = std::move(why);
    return SQLITE_ABORT;
  }

  const Rows& rows_;
};

}  // namespace

SqliteLedger::SqliteLedger(std::unique_ptr<Connection> connection, std::string salt)
    : connection_(std::move(connection)),
      salt_(std::move(salt)),
      rows_(std::in_place, *connection_) {}

Result<std::shared_ptr<Ledger>> SqliteLedger::open(const std::string& path) {
  auto ledgers = process().lock();
  auto& known = (*ledgers)[path];
  if (known && known->connection_->is_current()) return known;
  known.reset();

  auto opened = Connection::open(path);
  if (!opened) return fail(std::move(opened.error()));
  if (!*opened) return std::shared_ptr<Ledger>();
  std::string salt;
  if (const int code = Rows(**opened).read_salt(salt); code != SQLITE_OK) {
    if (is_busy(code)) return std::shared_ptr<Ledger>();
    return fail((*opened)->explain(code));
  }
  log::info(log::Category::ledger, "opened ", log::text(path));
  known.reset(new SqliteLedger(std::move(*opened), std::move(salt)));
  // A process that was killed may have left changes in the file -wal.
  known->checkpoint_later();
  return known;
}

bool SqliteLedger::exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

int SqliteLedger::transact(const std::function<int()>& work) {
  const int code = connection_->transact(work);
  checkpoint_later();
  return code;
}

/// Queues a checkpoint behind the work that waits, so that an answer is recorded first.
void SqliteLedger::checkpoint_later() {
  if (!connection_->needs_checkpoint() || checkpoint_is_queued_.exchange(true)) return;
  // The exit waits for the checkpoint, so that a copy of the main file is complete.
  StoreThread::acquire(StoreThread::Store::ledger)
      ->post([self = shared_from_this(), hold = hold_exit()] {
        const auto rows = self->rows_.lock();
        self->checkpoint_is_queued_ = false;
        self->connection_->checkpoint();
      });
}

Result<Finding> SqliteLedger::claim(const Claim& claim, UnixTime now) {
  const auto rows = rows_.lock();
  Transaction transaction(*rows);
  std::optional<Finding> found;
  // The checkpoint can wait for the next change: a row that is only reserved was not sent.
  const int code = connection_->transact([&] { return transaction.decide(claim, now, found); });
  // A refusal is valid only if the transaction was committed.
  const auto intent = log::text(std::string_view(claim.record.intent).substr(0, 12));
  if (transaction.error && (code == SQLITE_OK || code == SQLITE_ABORT)) {
    log::info(log::Category::ledger, "intent ", intent,
              ": may not be submitted: ", *transaction.error);
    return fail(std::move(*transaction.error));
  }
  if (is_busy(code)) return Finding(Later{});
  if (code != SQLITE_OK) return fail(explain(code));
  if (const auto* row = std::get_if<Record>(&*found)) {
    log::info(log::Category::ledger, "intent ", intent, ": joins row ", row->id, ", ", row->state,
              ", task ", log::text(row->task_id));
  } else if (const auto* reservation = std::get_if<Reservation>(&*found)) {
    log::info(log::Category::ledger, "intent ", intent, ": claimed as row ", reservation->row(),
              ", reserved for ", claim.record.credits, " credits");
  } else {
    log::debug(log::Category::ledger, "intent ", intent, ": another process is about to submit it");
  }
  return std::move(*found);
}

Result<bool> SqliteLedger::has_intent(const std::string& intent) {
  const auto locked = rows_.lock();
  std::vector<Record> rows;
  if (const int code = locked->find_of_intent(rows, intent); code != SQLITE_OK) {
    return fail(explain(code));
  }
  return !rows.empty();
}

Result<std::optional<Record>> SqliteLedger::find(const std::string& intent,
                                                 const std::string& instance) {
  const auto locked = rows_.lock();
  std::vector<Record> rows;
  if (const int code = locked->find_of_intent(rows, intent); code != SQLITE_OK) {
    return fail(explain(code));
  }
  const auto* row = find_joinable(rows, instance);
  return row != nullptr ? std::optional(*row) : std::nullopt;
}

Result<std::optional<Record>> SqliteLedger::adopt(Record record, UnixTime now) {
  const auto locked = rows_.lock();
  std::vector<Record> rows;
  const int code = transact([&] {
    const int found = locked->find_of_task(rows, record.api_url, record.task_id);
    std::erase_if(rows, [](const Record& r) { return r.state == RecordState::superseded; });
    if (found != SQLITE_OK || !rows.empty()) return found;
    record.intent.clear();
    record.credits = 0;
    record.state = RecordState::accepted;
    record.accepted_at = now;
    return locked->insert(record, RecordState::accepted, now, record.id);
  });
  if (is_busy(code)) return std::optional<Record>();
  if (code != SQLITE_OK) return fail(explain(code));
  log::info(log::Category::ledger, "task ", log::text(record.task_id), ": ",
            log::text(rows.empty() ? "a row is made for it, submitted elsewhere: row "
                                   : "is known: row "),
            rows.empty() ? record.id : rows.front().id);
  return std::optional(rows.empty() ? std::move(record) : std::move(rows.front()));
}

Result<std::optional<Record>> SqliteLedger::answer(const std::string& intent, const Record& task,
                                                   UnixTime now) {
  const auto locked = rows_.lock();
  Transaction transaction(*locked);
  std::optional<Record> answered;
  const int code = transact([&] {
    std::vector<Record> rows;
    const auto unknown = [&] {
      return std::ranges::find(rows, RecordState::unknown, &Record::state);
    };
    int step = locked->find_of_task(rows, task.api_url, task.task_id);
    if (step == SQLITE_OK && unknown() == rows.end()) {
      rows.clear();
      if (!task.intent.empty() || intent.empty()) return step;
      step = locked->find_of_intent(rows, intent);
      if (step == SQLITE_OK) step = transaction.settle(rows);
    }
    const auto row = unknown();
    if (step != SQLITE_OK || row == rows.end()) return step;
    step = locked->accept(row->id, task.task_id, now);
    // The submission's row now has the task, so the task's foreign row goes.
    if (step == SQLITE_OK) step = locked->remove_foreign(task.api_url, task.task_id);
    if (step == SQLITE_OK) step = locked->get(answered.emplace(), row->id);
    return step;
  });
  if (transaction.error) return fail(std::move(*transaction.error));
  if (code != SQLITE_OK) return fail(explain(code));
  if (answered) {
    log::info(log::Category::ledger, "row ", answered->id, ": unknown -> accepted, by the user's ",
              "word: task ", log::text(task.task_id));
  }
  return answered;
}

/// Explains the code of a change of one row.
Status SqliteLedger::explain_change(int code, std::int64_t row, RecordState to) const {
  if (code == SQLITE_OK) return {};
  if (code != SQLITE_MISMATCH) return fail(explain(code));
  return fail({.code = ErrorCode::ledger,
               .message = "The ledger " + connection_->path() + " has row " + std::to_string(row) +
                          " in a state that does not lead to " + std::string(nick(to)) +
                          ": somebody else has changed it."});
}

Status SqliteLedger::move(std::int64_t row, RecordState to, const Change& change) {
  const auto rows = rows_.lock();
  if (!connection_->is_current()) {
    return fail({.code = ErrorCode::ledger,
                 .message = "The ledger " + connection_->path() +
                            " was removed or replaced while it was in use."});
  }
  auto moved = explain_change(transact([&] { return rows->move(row, to, change); }), row, to);
  if (moved) {
    log::info(log::Category::ledger, "row ", row, ": becomes ", to,
              log::text(change.task_id.empty() ? "" : ", task "), log::text(change.task_id));
  }
  return moved;
}

Status SqliteLedger::keep(std::int64_t row, const CachedClip& clip) {
  const auto rows = rows_.lock();
  auto kept =
      explain_change(transact([&] { return rows->keep(row, clip); }), row, RecordState::completed);
  if (kept) {
    log::info(log::Category::ledger, "row ", row, ": the clip of task ",
              log::text(clip.identity.task_id), " is in the cache, ", clip.size, " bytes");
  }
  return kept;
}

Status SqliteLedger::restore(const Reservation& reservation, const CachedClip& clip, UnixTime now) {
  const auto rows = rows_.lock();
  const auto row = reservation.row();
  return explain_change(transact([&] { return rows->restore(row, clip, now); }), row,
                        RecordState::completed);
}

Result<Record> SqliteLedger::get(std::int64_t row) {
  const auto rows = rows_.lock();
  Record record;
  const int code = rows->get(record, row);
  if (code == SQLITE_OK) return record;
  // Rows are never removed.
  return fail(explain(code == SQLITE_MISMATCH ? SQLITE_CORRUPT : code));
}

Result<std::optional<std::vector<Record>>> SqliteLedger::history(const HistoryQuery& query) {
  const auto locked = rows_.lock();
  std::vector<Record> rows;
  int code = locked->find_running(rows);
  // A reader without open rows makes no transaction, and so never waits for a writer.
  if (code == SQLITE_OK && !rows.empty()) {
    Transaction transaction(*locked);
    code = transact([&] { return transaction.settle_all(); });
    if (transaction.error) return fail(std::move(*transaction.error));
  }
  rows.clear();
  if (code == SQLITE_OK) code = locked->history(rows, query);
  if (is_busy(code)) return std::optional<std::vector<Record>>();
  if (code != SQLITE_OK) return fail(explain(code));
  return std::optional(std::move(rows));
}

Result<std::vector<std::chrono::milliseconds>> SqliteLedger::generation_times(const Record& like) {
  const auto rows = rows_.lock();
  std::vector<std::chrono::milliseconds> times;
  if (const int code = rows->read_generation_times(times, like); code != SQLITE_OK) {
    return fail(explain(code));
  }
  return times;
}

Result<std::optional<LedgerGap>> SqliteLedger::find_gap() {
  const auto rows = rows_.lock();
  std::optional<LedgerGap> gap;
  if (const int code = connection_->find_gap(gap); code != SQLITE_OK) return fail(explain(code));
  return gap;
}

Result<bool> SqliteLedger::is_established() {
  const auto rows = rows_.lock();
  bool is_established = false;
  const int code = connection_->read_established(is_established);
  if (code != SQLITE_OK) return fail(explain(code));
  return is_established;
}

Result<std::optional<LedgerAcceptance>> SqliteLedger::accept(UnixTime now) {
  const auto rows = rows_.lock();
  LedgerAcceptance acceptance;
  const int code = connection_->accept(now.time_since_epoch().count(), acceptance);
  checkpoint_later();
  if (is_busy(code)) return std::optional<LedgerAcceptance>();
  if (code != SQLITE_OK) return fail(explain(code));
  return std::optional(acceptance);
}

LedgerIdentity SqliteLedger::identity() const {
  const auto rows = rows_.lock();
  return {.path = connection_->absolute_path(), .id = connection_->id()};
}

Result<std::optional<LedgerCopy>> SqliteLedger::back_up(const std::string& file) {
  const auto rows = rows_.lock();
  auto copy = back_up_database(connection_->database(), file);
  if (!copy) return fail(std::move(copy.error()));
  log::info(log::Category::ledger, log::text(connection_->path()), ": copied to ", log::text(file),
            ", ", copy->rows, " rows");
  return std::optional(*copy);
}

}  // namespace veo
