// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The table of submissions: its rows as Records, and each statement that reads or writes them. Each
// method returns SQLite's code. A test asks SQLite for its plans: all statements but the one of
// find_of_future() use an index.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "claim_rules.h"
#include "connection.h"
#include "veo/core/cached_clip.h"
#include "veo/core/history_query.h"
#include "veo/core/record.h"
#include "veo/ledger/ledger.h"

namespace veo {

/// A time as its column has it: in milliseconds.
inline std::int64_t integer(UnixTime time) { return time.time_since_epoch().count(); }
inline std::int64_t integer(LedgerTime time) { return time.time_since_epoch().count(); }
inline std::optional<std::int64_t> integer(const std::optional<UnixTime>& time) {
  return time ? std::optional(integer(*time)) : std::nullopt;
}

class Rows {
 public:
  /// `connection` must outlive this object.
  explicit Rows(Connection& connection) : connection_(&connection) {}

  [[nodiscard]] Connection& connection() const { return *connection_; }

  // Reading. The found rows are appended to `rows`, the newest first.
  int find_of_intent(std::vector<Record>& rows,
                     const std::string& intent) const;  ///< without released rows
  int find_of_task(std::vector<Record>& rows, const std::string& api_url,
                   const std::string& task_id) const;
  int find_running(std::vector<Record>& rows) const;
  /// Returns the rows in the order of HistoryQuery.
  int history(std::vector<Record>& rows, const HistoryQuery& query) const;
  /// SQLITE_MISMATCH: there is no such row.
  int get(Record& record, std::int64_t row) const;
  int read_generation_times(std::vector<std::chrono::milliseconds>& times,
                            const Record& like) const;
  int read_salt(std::string& salt) const;
  /// Sums what was reserved after `since`. See Spending.
  int sum_spending(Spending& spending, LedgerTime since, bool is_loopback) const;
  int read_clock(LedgerClock& clock) const;
  /// Finds the rows that have a date after `now`. Looks at every row, because nobody needs it
  /// often.
  int find_of_future(std::vector<Record>& rows, UnixTime now) const;

  // Writing. SQLITE_MISMATCH: the row to be changed is not there, or its state forbids the change.
  /// Reads the ledger's clock, and advances it to `now`. Writes nothing: on a full disk a known
  /// task must still be found.
  int find_time(LedgerClock& clock, const ClockReading& now) const;
  /// Advances the ledger's clock to `now`, and writes it. A transaction that writes times into rows
  /// does this first. `clock.last` becomes `now`.
  int advance_clock(LedgerClock& clock, const ClockReading& now) const;
  int insert(const Record& record, RecordState state, const LedgerClock& now,
             std::int64_t& id) const;
  int set_state(std::int64_t row, RecordState to) const;
  int supersede(std::int64_t row, const LedgerClock& now) const;
  int move(std::int64_t row, RecordState to, const Change& change, LedgerTime time) const;
  int accept(std::int64_t row, const std::string& task_id, const LedgerClock& now) const;
  int keep(std::int64_t row, const CachedClip& clip) const;
  /// Records the answer as Ledger::take() says. `is_own`: the ledger made the answer's row. `row`
  /// has the id 0 if there is nothing to be recorded.
  int take(const Record& answer, bool is_own, const LedgerClock& now, Record& row) const;
  int restore(std::int64_t row, const CachedClip& clip, const LedgerClock& now) const;
  /// Writes the dates of `record`.
  int write_dates(const Record& record) const;
  int remove_foreign(const std::string& api_url, const std::string& task_id) const;

 private:
  [[nodiscard]] Statement prepare(std::string_view sql) const;
  int write_answer(const Record& answer, std::int64_t row, RecordState state,
                   LedgerTime time) const;
  int select(std::vector<Record>& rows, const std::string& where,
             std::initializer_list<std::string_view> values) const;
  int change_one(Statement& change) const;

  Connection* connection_;  // owned by the caller of the constructor
};

}  // namespace veo
