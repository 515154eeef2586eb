// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The table of submissions: its rows as Records, and each statement that reads or writes them. Each
// method returns SQLite's code. Every statement uses an index: a test asks SQLite for its plans.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
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
  /// A new row is never dated before the newest row, and rows with a date in the future count. So a
  /// clock that is set back refills no budget, neither then nor when the clock is right again.
  int read_newest(std::optional<UnixTime>& time) const;
  int sum_spending(Spending& spending, UnixTime since) const;

  // Writing. SQLITE_MISMATCH: the row to be changed is not there, or its state forbids the change.
  int insert(const Record& record, RecordState state, UnixTime now, std::int64_t& id) const;
  int set_state(std::int64_t row, RecordState to) const;
  int supersede(std::int64_t row, UnixTime now) const;
  int move(std::int64_t row, RecordState to, const Change& change) const;
  int accept(std::int64_t row, const std::string& task_id, UnixTime now) const;
  int keep(std::int64_t row, const CachedClip& clip) const;
  /// Records the answer as Ledger::take() says. `is_own`: the ledger made the answer's row. `row`
  /// has the id 0 if there is nothing to be recorded.
  int take(const Record& answer, bool is_own, Record& row) const;
  int restore(std::int64_t row, const CachedClip& clip, UnixTime now) const;
  int remove_foreign(const std::string& api_url, const std::string& task_id) const;

 private:
  [[nodiscard]] Statement prepare(std::string_view sql) const;
  int write_answer(const Record& answer, std::int64_t row, RecordState state) const;
  int select(std::vector<Record>& rows, const std::string& where,
             std::initializer_list<std::string_view> values) const;
  int change_one(Statement& change) const;

  Connection* connection_;  // owned by the caller of the constructor
};

}  // namespace veo
