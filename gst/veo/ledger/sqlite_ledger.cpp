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
#include "veo/core/url_policy.h"
#include "veo/system/clocks.h"
#include "veo/system/exit_hold.h"
#include "veo/system/store_thread.h"
#include "witness.h"

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

/// Returns the row of a task that another ledger, or nobody, has recorded. The options of the line
/// that names the task say nothing about the task's mode or price.
Record make_foreign_row(Record task) {
  task.id = 0;
  task.intent.clear();
  task.instance.clear();
  task.request.clear();
  task.state = RecordState::accepted;
  task.credits = 0;
  task.model.clear();
  task.mode.clear();
  task.resolution.clear();
  task.details.clear();
  return task;
}

/// Corrects the dates of a row that are after the clock's.
Record correct_dates(Record row, const LedgerClock& clock) {
  const auto now = clock.last.wall;
  if (row.reserved_at > now) row.reserved_at = find_date(row.reserved_ledger_time, clock);
  const auto begin = row.reserved_at;
  const auto end = std::max(begin, find_date(row.changed_ledger_time, clock));
  const auto correct = [now](std::optional<UnixTime>& date, UnixTime right) {
    if (date && *date > now) date = right;
  };
  correct(row.sending_at, begin);
  correct(row.accepted_at, row.state == RecordState::accepted ? end : begin);
  correct(row.finished_at, end);
  return row;
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

  /// Takes the answers from the journals. Each is taken once in a transaction. An answer to another
  /// ledger of this path is taken, too, and stays in the journal: that ledger may come back, from a
  /// disk that was unmounted or a folder that was moved.
  int take_journals() {
    for (const auto& journal : journals_.files) {
      for (auto& entry : journal.read()) {
        const auto& answer = entry.answer;
        const bool is_own = answer.salt == journals_.salt;
        if (!is_own) {
          if (answer.ledger != journals_.ledger) continue;
          bool is_known = false;
          if (const int code = is_recorded(answer.record, is_known); code != SQLITE_OK) return code;
          if (is_known) continue;
        }
        const bool is_taken = std::ranges::any_of(
            taken_, [&](const auto& taken) { return taken.second.answer == answer; });
        if (!is_taken) {
          LedgerClock now;
          Record row;
          int code = rows_.advance_clock(now, read_clocks());
          if (code == SQLITE_OK) code = rows_.take(answer.record, is_own, now, row);
          if (code != SQLITE_OK) return code;
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
        const bool is_own = entry.answer.salt == journals_.salt;
        if (from == journal && is_own) entries.push_back(entry);
      }
      journal.remove(entries);
    }
  }

  /// Whether the ledger has a row of the answer already.
  int is_recorded(const Record& answer, bool& is_known) const {
    std::vector<Record> known;
    const int code = answer.task_id.empty()
                         ? rows_.find_of_intent(known, answer.intent)
                         : rows_.find_of_task(known, answer.api_url, answer.task_id);
    is_known = std::ranges::any_of(known, [](const Record& row) { return !row.intent.empty(); });
    return code;
  }

  /// Counts the answers to another ledger of this path.
  [[nodiscard]] std::uint64_t count_answers_to_another() const {
    std::uint64_t count = 0;
    for (const auto& journal : journals_.files) {
      count += static_cast<std::uint64_t>(
          std::ranges::count_if(journal.read(), [this](const AnswerJournal::Entry& entry) {
            return entry.answer.salt != journals_.salt && entry.answer.ledger == journals_.ledger;
          }));
    }
    return count;
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
  int decide(const Claim& claim, const ClockReading& reading, std::optional<Finding>& found) {
    std::vector<Record> rows;
    LedgerClock now;
    int code = rows_.find_time(now, reading);
    if (code == SQLITE_OK) code = rows_.find_of_intent(rows, claim.record.intent);
    const auto is_unknown = [](const Record& row) { return row.state == RecordState::unknown; };
    if (code == SQLITE_OK && std::ranges::any_of(rows, is_unknown)) {
      code = take_journals();
      rows.clear();
      if (code == SQLITE_OK) code = rows_.find_of_intent(rows, claim.record.intent);
    }
    if (code == SQLITE_OK) code = settle(rows);
    if (code != SQLITE_OK) return code;
    auto verdict = judge(claim, rows, now.time);
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
    bool is_established = true;
    if (code = rows_.connection().read_established(is_established); code != SQLITE_OK) return code;
    if (!is_established && !claim.restores) {
      const LedgerGap lost{.missing = count_answers_to_another(), .is_other = true};
      if (lost.missing > 0) return refuse(make_gap_error(rows_.connection().path(), lost));
    }
    if (code = admit(claim, now.time); code != SQLITE_OK || error) return code;

    // The intent may be submitted. From here on, all changes are made or none.
    if (code = rows_.advance_clock(now, reading); code != SQLITE_OK) return code;
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
  int admit(const Claim& claim, LedgerTime now) {
    Spending spending;
    if (has_budget(claim)) {
      // Credits that dead owners have reserved for other intents do not count.
      int code = settle_all();
      if (code == SQLITE_OK) {
        code = rows_.sum_spending(spending, now - budget_window,
                                  is_loopback_url(claim.record.api_url));
      }
      if (code != SQLITE_OK) return code;
    }
    auto fits = check_budgets(claim, spending);
    return fits ? SQLITE_OK : refuse(std::move(fits.error()));
  }

  int reserve(const Record& record, const LedgerClock& now, std::optional<Finding>& found) {
    std::int64_t id = 0;
    const int code = rows_.insert(record, RecordState::reserved, now, id);
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
  const auto journals = *ledger.journals_.lock();
  for (const auto& journal : journals) {
    if (auto usable = journal.check(); !usable) return fail(std::move(usable.error()));
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
  // A process that was killed may have left changes in the file -wal.
  known->checkpoint_later();
  return known;
}

std::optional<LedgerGap> SqliteLedger::find_lost(const std::string& path) {
  const auto witness = exists(path) ? std::nullopt : read_witness(make_lock_path(path));
  if (!witness) return std::nullopt;
  return LedgerGap{.missing = witness->changes, .is_other = true};
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

Result<bool> SqliteLedger::take_journals() {
  const auto journals = *journals_.lock();
  const bool is_empty =
      std::ranges::all_of(journals, [](const auto& journal) { return journal.read().empty(); });
  if (is_empty) return true;
  const auto rows = rows_.lock();
  Transaction transaction(*rows, {journals, connection_->path(), salt_});
  const int code = transact([&] { return transaction.take_journals(); });
  if (is_busy(code)) return false;
  if (code != SQLITE_OK) return fail(explain(code));
  transaction.clear_journals();
  return true;
}

Result<std::optional<Record>> SqliteLedger::take(const AnswerRecord& answer,
                                                 const ClockReading& reading) {
  const auto rows = rows_.lock();
  Record row;
  const int code = transact([&] {
    LedgerClock now;
    const int step = rows->advance_clock(now, reading);
    return step == SQLITE_OK ? rows->take(answer.record, answer.salt == salt_, now, row) : step;
  });
  if (is_busy(code)) return std::optional<Record>();
  if (code != SQLITE_OK) return fail(explain(code));
  log::info(log::Category::ledger, "row ", row.id, ": is ", row.state, " by its answer, task ",
            log::text(answer.record.task_id));
  return std::optional(std::move(row));
}

Result<Finding> SqliteLedger::claim(const Claim& claim, const ClockReading& now) {
  const auto journals = *journals_.lock();
  const auto rows = rows_.lock();
  Transaction transaction(*rows, {journals, connection_->path(), salt_});
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

Result<std::optional<Record>> SqliteLedger::find_task(const Record& task) {
  const auto locked = rows_.lock();
  std::vector<Record> rows;
  const int code = locked->find_of_task(rows, task.api_url, task.task_id);
  if (is_busy(code)) return std::optional<Record>();
  if (code != SQLITE_OK) return fail(explain(code));
  std::erase_if(rows, [](const Record& r) { return r.state == RecordState::superseded; });
  if (rows.empty()) {
    log::info(log::Category::ledger, "task ", log::text(task.task_id),
              ": has no row yet, and gets one if the service knows the task");
    return make_foreign_row(task);
  }
  log::info(log::Category::ledger, "task ", log::text(task.task_id), ": is row ", rows.front().id);
  return std::move(rows.front());
}

Result<Record> SqliteLedger::confirm(const std::string& intent, const Record& task,
                                     const ClockReading& reading) {
  const auto journals = *journals_.lock();
  const auto locked = rows_.lock();
  Transaction transaction(*locked, {journals, connection_->path(), salt_});
  Record confirmed;
  bool is_answer = false;
  const int code = transact([&] {
    LedgerClock now;
    std::vector<Record> of_task;
    std::vector<Record> of_intent;
    int step = locked->advance_clock(now, reading);
    if (step == SQLITE_OK) step = locked->find_of_task(of_task, task.api_url, task.task_id);
    const bool may_be_of_intent = task.intent.empty() && !intent.empty();
    if (step == SQLITE_OK && may_be_of_intent) {
      step = locked->find_of_intent(of_intent, intent);
      if (step == SQLITE_OK) step = transaction.settle(of_intent);
    }
    if (step != SQLITE_OK) return step;
    std::erase_if(of_task, [](const Record& r) { return r.state == RecordState::superseded; });
    for (const auto* rows : {&of_task, &of_intent}) {
      const auto row = std::ranges::find(*rows, RecordState::unknown, &Record::state);
      if (row == rows->end()) continue;
      is_answer = true;
      step = locked->accept(row->id, task.task_id, now);
      // The submission's row now has the task, so the task's foreign row goes.
      if (step == SQLITE_OK) step = locked->remove_foreign(task.api_url, task.task_id);
      return step == SQLITE_OK ? locked->get(confirmed, row->id) : step;
    }
    if (!of_task.empty()) {
      confirmed = std::move(of_task.front());
      return SQLITE_OK;
    }
    auto row = make_foreign_row(task);
    row.accepted_at = reading.wall;
    step = locked->insert(row, RecordState::accepted, now, row.id);
    return step == SQLITE_OK ? locked->get(confirmed, row.id) : step;
  });
  if (transaction.error) return fail(std::move(*transaction.error));
  if (code != SQLITE_OK) return fail(explain(code));
  transaction.clear_journals();
  log::info(
      log::Category::ledger, "row ", confirmed.id, ": the service knows its task ",
      log::text(task.task_id),
      log::text(is_answer ? ", which an unknown submission has become, by the user's word" : ""));
  return confirmed;
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
  const int code = transact([&] {
    LedgerClock now;
    const int step = rows->advance_clock(now, change.at);
    return step == SQLITE_OK ? rows->move(row, to, change, now.time) : step;
  });
  auto moved = explain_change(code, row, to);
  if (moved && change.balance) {
    log::info(log::Category::ledger, "row ", row, ": has a balance now, and stays ", to);
  } else if (moved) {
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

Status SqliteLedger::restore(const Reservation& reservation, const CachedClip& clip,
                             const ClockReading& reading) {
  const auto rows = rows_.lock();
  const auto row = reservation.row();
  const int code = transact([&] {
    LedgerClock now;
    const int step = rows->advance_clock(now, reading);
    return step == SQLITE_OK ? rows->restore(row, clip, now) : step;
  });
  return explain_change(code, row, RecordState::completed);
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
    code = transact([&] { return transaction.settle_all(); });
    if (transaction.error) return fail(std::move(*transaction.error));
    if (code == SQLITE_OK) transaction.clear_journals();
  }
  rows.clear();
  if (code == SQLITE_OK) code = locked->history(rows, query);
  if (is_busy(code)) return std::optional<std::vector<Record>>();
  if (code != SQLITE_OK) return fail(explain(code));
  return std::optional(std::move(rows));
}

Result<std::optional<Record>> SqliteLedger::find_similar(const Record& like) {
  const auto locked = rows_.lock();
  std::vector<Record> rows;
  // Dead owners stay as they are: a claim has settled them just now.
  const int code = locked->history(
      rows, {.states = {RecordState::accepted, RecordState::completed}, .limit = rows_to_compare});
  if (is_busy(code)) return std::optional<Record>();
  if (code != SQLITE_OK) return fail(explain(code));
  const auto found =
      std::ranges::find_if(rows, [&](const Record& row) { return is_similar(row, like); });
  return found == rows.end() ? std::nullopt : std::optional(std::move(*found));
}

Result<std::chrono::milliseconds> SqliteLedger::find_age(const Record& record,
                                                         const ClockReading& now) {
  const auto rows = rows_.lock();
  LedgerClock clock;
  if (const int code = rows->read_clock(clock); code != SQLITE_OK) return fail(explain(code));
  clock.advance(now);
  return clock.time - record.changed_ledger_time;
}

Result<std::optional<std::vector<Redating>>> SqliteLedger::redate(const ClockReading& reading) {
  const auto locked = rows_.lock();
  std::vector<Redating> changes;
  const int code = transact([&] {
    LedgerClock now;
    std::vector<Record> rows;
    int step = locked->advance_clock(now, reading);
    if (step == SQLITE_OK) step = locked->find_of_future(rows, reading.wall);
    for (auto& row : rows) {
      if (step != SQLITE_OK) break;
      auto after = correct_dates(row, now);
      step = locked->write_dates(after);
      changes.push_back({.before = std::move(row), .after = std::move(after)});
    }
    return step;
  });
  if (is_busy(code)) return std::optional<std::vector<Redating>>();
  if (code != SQLITE_OK) return fail(explain(code));
  log::info(log::Category::ledger, "dates of the future were corrected in ", changes.size(),
            " rows");
  return std::optional(std::move(changes));
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
