// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sqlite_ledger.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <utility>

#include "claim_rules.h"
#include "row_lock.h"
#include "veo/core/log.h"

namespace veo {

namespace {

class LockedRow final : public Ownership {
 public:
  explicit LockedRow(RowLock lock) : lock_(std::move(lock)) {}

 private:
  RowLock lock_;
};

/// The process's ledgers. They are never closed: SQLite's close makes a checkpoint, which takes
/// time, and a process that ends without it loses nothing.
Guarded<std::map<std::string, std::shared_ptr<SqliteLedger>>>& process() {
  static auto* const instance = new Guarded<std::map<std::string, std::shared_ptr<SqliteLedger>>>;
  return *instance;
}

/// The work of one transaction. Each step returns SQLite's code. `error` has the error for the
/// caller: with SQLITE_OK a refusal, which keeps the rows that were settled; with SQLITE_ABORT a
/// failure.
class Transaction {
 public:
  /// The ledger's journals, and how its answers are told from those of other ledgers.
  struct Journals {
    std::vector<AnswerJournal> files;
    std::string ledger;
    std::string salt;
  };

  Transaction(const Rows& rows, Journals journals) : rows_(rows), journals_(std::move(journals)) {}

  /// Takes the answers from the journals. Each is taken once in a transaction.
  int take_journals() {
    for (const auto& journal : journals_.files) {
      for (auto& entry : journal.read()) {
        const auto& answer = entry.answer;
        const bool is_own = answer.salt == journals_.salt;
        if (!is_own && answer.ledger != journals_.ledger) continue;
        const bool is_taken = std::ranges::any_of(
            taken_, [&](const auto& taken) { return taken.second.answer == answer; });
        if (!is_taken) {
          Record row;
          if (const int code = rows_.take(answer.record, is_own, row); code != SQLITE_OK) {
            return code;
          }
          log::warning(log::Category::ledger, "row ", row.id, ": is ", row.state,
                       " by an answer in the journal ", log::text(journal.path()), ": task ",
                       log::text(answer.record.task_id));
        }
        taken_.emplace_back(journal, std::move(entry));
      }
    }
    return SQLITE_OK;
  }

  /// After the commit: the ledger has the answers.
  void clear_journals() const {
    for (const auto& journal : journals_.files) {
      std::vector<AnswerJournal::Entry> entries;
      for (const auto& [from, entry] : taken_) {
        if (from == journal) entries.push_back(entry);
      }
      journal.remove(entries);
    }
  }

  /// Settles the rows of dead owners, as docs/money.md says. An owner keeps its lock until after
  /// the commit of the row's outcome, so an open row without a lock has a dead owner.
  int settle(std::vector<Record>& rows) {
    for (auto& row : rows) {
      if (!is_running(row)) continue;
      auto lock = RowLock::try_acquire(rows_.connection().lock_path(), row.id);
      if (!lock) return stop(std::move(lock.error()));
      if (!*lock) continue;
      // The owner has written the answer, if there is one, before the owner has gone.
      if (row.state == RecordState::sending) {
        int code = take_journals();
        if (code == SQLITE_OK) code = rows_.get(row, row.id);
        if (code != SQLITE_OK) return code;
        if (!is_running(row)) continue;
      }
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
    const auto is_unknown = [](const Record& row) { return row.state == RecordState::unknown; };
    if (code == SQLITE_OK && std::ranges::any_of(rows, is_unknown)) {
      code = take_journals();
      rows.clear();
      if (code == SQLITE_OK) code = rows_.find_of_intent(rows, claim.record.intent);
    }
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
    if (code = admit(claim, now); code != SQLITE_OK || error) return code;

    // The intent may be submitted. From here on, all changes are made or none.
    for (const auto& row : rows) {
      if (row.state != RecordState::unknown) continue;
      if (code = rows_.supersede(row.id, now); code != SQLITE_OK) return code;
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
  const Journals journals_;
  std::vector<std::pair<AnswerJournal, AnswerJournal::Entry>> taken_;
};

}  // namespace

SqliteLedger::SqliteLedger(std::unique_ptr<Connection> connection, std::string salt)
    : connection_(std::move(connection)),
      salt_(std::move(salt)),
      rows_(std::in_place, *connection_) {}

Result<std::shared_ptr<Ledger>> SqliteLedger::open(const std::string& path,
                                                   const std::string& cache_directory) {
  auto connected = connect(path);
  if (!connected) return fail(std::move(connected.error()));
  if (!*connected) return std::shared_ptr<Ledger>();
  auto& ledger = **connected;
  {
    auto journals = ledger.journals_.lock();
    const auto add = [&](const AnswerJournal& journal) {
      if (std::ranges::find(*journals, journal) == journals->end()) journals->push_back(journal);
    };
    add(AnswerJournal::beside(path));
    if (!cache_directory.empty()) add(AnswerJournal::in_cache(cache_directory));
  }
  auto taken = ledger.take_journals();
  if (!taken) return fail(std::move(taken.error()));
  return *taken ? std::shared_ptr<Ledger>(std::move(*connected)) : nullptr;
}

Result<std::shared_ptr<SqliteLedger>> SqliteLedger::connect(const std::string& path) {
  auto ledgers = process().lock();
  auto& known = (*ledgers)[path];
  if (known && known->connection_->is_current()) return known;
  known.reset();

  auto opened = Connection::open(path);
  if (!opened) return fail(std::move(opened.error()));
  if (!*opened) return std::shared_ptr<SqliteLedger>();
  std::string salt;
  if (const int code = Rows(**opened).read_salt(salt); code != SQLITE_OK) {
    if (is_busy(code)) return std::shared_ptr<SqliteLedger>();
    return fail((*opened)->explain(code));
  }
  log::info(log::Category::ledger, "opened ", log::text(path));
  known.reset(new SqliteLedger(std::move(*opened), std::move(salt)));
  return known;
}

bool SqliteLedger::exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

Result<bool> SqliteLedger::take_journals() {
  const auto journals = *journals_.lock();
  const bool is_empty =
      std::ranges::all_of(journals, [](const auto& journal) { return journal.read().empty(); });
  if (is_empty) return true;
  const auto rows = rows_.lock();
  Transaction transaction(*rows, {journals, connection_->path(), salt_});
  const int code = connection_->transact([&] { return transaction.take_journals(); });
  if (is_busy(code)) return false;
  if (code != SQLITE_OK) return fail(explain(code));
  transaction.clear_journals();
  return true;
}

Result<std::optional<Record>> SqliteLedger::take(const AnswerRecord& answer) {
  const auto rows = rows_.lock();
  Record row;
  const int code =
      connection_->transact([&] { return rows->take(answer.record, answer.salt == salt_, row); });
  if (is_busy(code)) return std::optional<Record>();
  if (code != SQLITE_OK) return fail(explain(code));
  log::info(log::Category::ledger, "row ", row.id, ": is ", row.state, " by its answer, task ",
            log::text(answer.record.task_id));
  return std::optional(std::move(row));
}

Result<Finding> SqliteLedger::claim(const Claim& claim, UnixTime now) {
  const auto journals = *journals_.lock();
  const auto rows = rows_.lock();
  Transaction transaction(*rows, {journals, connection_->path(), salt_});
  std::optional<Finding> found;
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
  transaction.clear_journals();
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
  const int code = connection_->transact([&] {
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
  const auto journals = *journals_.lock();
  const auto locked = rows_.lock();
  Transaction transaction(*locked, {journals, connection_->path(), salt_});
  std::optional<Record> answered;
  const int code = connection_->transact([&] {
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
  transaction.clear_journals();
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
  auto moved =
      explain_change(connection_->transact([&] { return rows->move(row, to, change); }), row, to);
  if (moved) {
    log::info(log::Category::ledger, "row ", row, ": becomes ", to,
              log::text(change.task_id.empty() ? "" : ", task "), log::text(change.task_id));
  }
  return moved;
}

Status SqliteLedger::keep(std::int64_t row, const CachedClip& clip) {
  const auto rows = rows_.lock();
  auto kept = explain_change(connection_->transact([&] { return rows->keep(row, clip); }), row,
                             RecordState::completed);
  if (kept) {
    log::info(log::Category::ledger, "row ", row, ": the clip of task ",
              log::text(clip.identity.task_id), " is in the cache, ", clip.size, " bytes");
  }
  return kept;
}

Status SqliteLedger::restore(const Reservation& reservation, const CachedClip& clip, UnixTime now) {
  const auto rows = rows_.lock();
  const auto row = reservation.row();
  return explain_change(connection_->transact([&] { return rows->restore(row, clip, now); }), row,
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
  const auto journals = *journals_.lock();
  const auto locked = rows_.lock();
  std::vector<Record> rows;
  int code = locked->find_running(rows);
  // A reader without open rows makes no transaction, and so never waits for a writer.
  if (code == SQLITE_OK && !rows.empty()) {
    Transaction transaction(*locked, {journals, connection_->path(), salt_});
    code = connection_->transact([&] { return transaction.settle_all(); });
    if (transaction.error) return fail(std::move(*transaction.error));
    if (code == SQLITE_OK) transaction.clear_journals();
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

}  // namespace veo
