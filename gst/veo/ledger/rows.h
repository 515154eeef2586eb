// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The table of submissions: its rows as Records, and each statement that reads or writes them. What
// fails gives SQLite's code. Every statement goes by an index: a test asks SQLite for its plans.
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
  /// `connection` outlives it.
  explicit Rows(Connection& connection) : connection_(&connection) {}

  [[nodiscard]] Connection& connection() const { return *connection_; }

  // Reading. Rows are added to `rows` in the order in which they were made, newest first.
  int of_intent(std::vector<Record>& rows, const std::string& intent) const;  ///< not released
  int of_task(std::vector<Record>& rows, const std::string& api_url,
              const std::string& task_id) const;
  int running(std::vector<Record>& rows) const;
  /// With HistoryQuery's order.
  int history(std::vector<Record>& rows, const HistoryQuery& query) const;
  /// SQLITE_MISMATCH: it is not there.
  int get(Record& record, std::int64_t row) const;
  int generation_times(std::vector<std::chrono::milliseconds>& times, const Record& like) const;
  int salt(std::string& salt) const;
  /// No row is dated before the newest, and rows dated in the future count: a clock that is set
  /// back makes no budget new, then or when it is set right again.
  int newest(std::optional<UnixTime>& time) const;
  int spending(Spending& spending, UnixTime since) const;

  // Writing. Of a change of one row, SQLITE_MISMATCH: it is not there, or not in a state for that.
  int insert(const Record& record, RecordState state, UnixTime now, std::int64_t& id) const;
  int set_state(std::int64_t row, RecordState to) const;
  int supersede(std::int64_t row, UnixTime now) const;
  int move(std::int64_t row, RecordState to, const Change& change) const;
  int accept(std::int64_t row, const std::string& task_id, UnixTime now) const;
  int keep(std::int64_t row, const CachedClip& clip) const;
  int restore(std::int64_t row, const CachedClip& clip, UnixTime now) const;
  int remove_foreign(const std::string& api_url, const std::string& task_id) const;

 private:
  [[nodiscard]] Statement prepare(std::string_view sql) const;
  int select(std::vector<Record>& rows, const std::string& where,
             std::initializer_list<std::string_view> values) const;
  int change_one(Statement& change) const;

  Connection* connection_;  // not owned
};

}  // namespace veo
