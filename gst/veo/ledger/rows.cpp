// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rows.h"

#include <limits>
#include <span>
#include <utility>

#include "veo/core/url_policy.h"

namespace veo {

namespace {

constexpr std::string_view columns =
    "id, intent, instance, request, state, credits, api_url, account, model, mode, resolution, "
    "prompt, parent_task_id, details, key_mark, by_uri, task_id, url, clip_sha256, clip_size, "
    "clip_path, error, error_message, balance, reserved_at, sending_at, accepted_at, finished_at, "
    "reserved_ledger_time, changed_ledger_time";

UnixTime time_of(std::int64_t value) { return UnixTime(std::chrono::milliseconds(value)); }
LedgerTime ledger_time_of(std::int64_t value) {
  return LedgerTime(std::chrono::milliseconds(value));
}
std::optional<UnixTime> time_of(std::optional<std::int64_t> value) {
  return value ? std::optional(time_of(*value)) : std::nullopt;
}

// Reads a row in the order of `columns`.
Record read(Statement& row) {
  Record record;
  record.id = row.integer();
  record.intent = row.text();
  record.instance = row.text();
  record.request = row.text();
  // Another program has written an unknown state. Treat the row as one that is never sent again.
  record.state = parse_record_state(row.text()).value_or(RecordState::unknown);
  record.credits = static_cast<std::uint32_t>(row.integer());
  record.api_url = row.text();
  record.account = row.text();
  record.model = row.text();
  record.mode = row.text();
  record.resolution = row.text();
  record.prompt = row.text();
  record.parent_task_id = row.text();
  record.details = row.text();
  record.key_mark = row.text();
  record.by_uri = row.integer() != 0;
  record.task_id = row.text();
  record.url = row.text();
  record.clip_sha256 = row.text();
  record.clip_size = static_cast<std::uint64_t>(row.integer());
  record.clip_path = row.text();
  record.error = row.text();
  record.error_message = row.text();
  record.balance = row.optional_real();
  record.reserved_at = time_of(row.integer());
  record.sending_at = time_of(row.optional_integer());
  record.accepted_at = time_of(row.optional_integer());
  record.finished_at = time_of(row.optional_integer());
  record.reserved_ledger_time = ledger_time_of(row.integer());
  record.changed_ledger_time = ledger_time_of(row.integer());
  return record;
}

int read_all(std::vector<Record>& rows, Statement& statement) {
  int code = statement.step();
  for (; code == SQLITE_ROW; code = statement.step()) rows.push_back(read(statement));
  return code == SQLITE_DONE ? SQLITE_OK : code;
}

std::string list(std::span<const RecordState> states) {
  std::string text;
  for (const auto state : states) {
    text.append(text.empty() ? "'" : ", '").append(nick(state)).append("'");
  }
  return text;
}

std::string spent_states() {
  std::vector<RecordState> spent;
  for (const auto state : {RecordState::reserved, RecordState::sending, RecordState::accepted,
                           RecordState::completed, RecordState::failed, RecordState::released,
                           RecordState::unknown, RecordState::superseded}) {
    if (is_spent(state)) spent.push_back(state);
  }
  return list(spent);
}

// SQLite guesses which index selects the fewest rows. A + in front of a column keeps SQLite from
// the column's index.
std::string history_of(const HistoryQuery& query, std::string_view state) {
  const bool is_of_task = !query.task_id.empty();
  const std::string no_index = is_of_task ? "+" : "";
  auto sql = "SELECT " + std::string(columns) + " FROM submission WHERE " + no_index +
             "id < ?3 AND +reserved_at >= ?1";
  if (is_of_task) sql += " AND task_id = ?2";
  // Dates follow the ids except where a clock was wrong. So nearly all rows from the first matching
  // row on match. SQLite would look for the least id in the order of the ids, from the oldest on.
  if (query.since && !is_of_task) {
    sql +=
        " AND id >= (SELECT min(id) FROM submission INDEXED BY submission_time WHERE reserved_at "
        ">= ?1)";
  }
  if (!state.empty()) sql += " AND " + no_index + "state = '" + std::string(state) + "'";
  return sql;
}

}  // namespace

Statement Rows::prepare(std::string_view sql) const { return {connection_->database(), sql}; }

int Rows::select(std::vector<Record>& rows, const std::string& where,
                 std::initializer_list<std::string_view> values) const {
  auto statement = prepare("SELECT " + std::string(columns) + " FROM submission WHERE " + where +
                           " ORDER BY id DESC");
  for (const auto value : values) statement.bind(value);
  return read_all(rows, statement);
}

int Rows::find_of_intent(std::vector<Record>& rows, const std::string& intent) const {
  return select(rows, "intent = ? AND state <> 'released'", {intent});
}

int Rows::find_of_task(std::vector<Record>& rows, const std::string& api_url,
                       const std::string& task_id) const {
  return select(rows, "api_url = ? AND task_id = ?", {api_url, task_id});
}

int Rows::find_running(std::vector<Record>& rows) const {
  return select(rows, "state IN ('reserved', 'sending')", {});
}

int Rows::history(std::vector<Record>& rows, const HistoryQuery& query) const {
  // The index has each state's rows in order, so SQLite merges them and sorts nothing.
  std::string sql;
  for (const auto state : query.states) {
    sql += (sql.empty() ? "" : " UNION ALL ") + history_of(query, nick(state));
  }
  if (query.states.empty()) sql = history_of(query, "");
  auto statement = prepare(sql + " ORDER BY id DESC LIMIT ?4");
  const auto limit = query.limit == 0 ? std::int64_t{-1} : static_cast<std::int64_t>(query.limit);
  statement.bind(query.since ? integer(*query.since) : std::numeric_limits<std::int64_t>::min())
      .bind(query.task_id)
      .bind(query.after.value_or(std::numeric_limits<std::int64_t>::max()))
      .bind(limit);
  return read_all(rows, statement);
}

int Rows::get(Record& record, std::int64_t row) const {
  std::vector<Record> rows;
  auto statement = prepare("SELECT " + std::string(columns) + " FROM submission WHERE id = ?");
  const int code = read_all(rows, statement.bind(row));
  if (code != SQLITE_OK) return code;
  if (rows.empty()) return SQLITE_MISMATCH;
  record = std::move(rows.front());
  return SQLITE_OK;
}

int Rows::read_generation_times(std::vector<std::chrono::milliseconds>& times,
                                const Record& like) const {
  auto statement = prepare(
      "SELECT generation_time FROM submission WHERE generation_time IS NOT NULL AND "
      "api_url = ? AND model = ? AND mode = ? AND resolution = ? ORDER BY id DESC LIMIT 50");
  statement.bind(like.api_url).bind(like.model).bind(like.mode).bind(like.resolution);
  int code = statement.step();
  for (; code == SQLITE_ROW; code = statement.step()) times.emplace_back(statement.integer());
  return code == SQLITE_DONE ? SQLITE_OK : code;
}

int Rows::read_salt(std::string& salt) const {
  auto statement = prepare("SELECT value FROM salt");
  const int code = statement.step();
  if (code == SQLITE_ROW) salt = statement.text();
  // Every ledger is made with a salt.
  return code == SQLITE_ROW ? SQLITE_OK : code == SQLITE_DONE ? SQLITE_CORRUPT : code;
}

int Rows::sum_spending(Spending& spending, LedgerTime since, bool is_loopback) const {
  auto statement = prepare(
      "SELECT coalesce(sum(credits), 0), coalesce(sum(iif(by_uri, credits, 0)), 0) "
      "FROM submission WHERE is_loopback = ? AND reserved_ledger_time > ? AND +state IN (" +
      spent_states() + ")");
  const int code = statement.bind(std::int64_t{is_loopback ? 1 : 0}).bind(integer(since)).step();
  if (code != SQLITE_ROW) return code;
  spending.all = static_cast<Credits>(statement.integer());
  spending.by_uri = static_cast<Credits>(statement.integer());
  return SQLITE_OK;
}

int Rows::read_clock(LedgerClock& clock) const {
  auto statement = prepare("SELECT wall, boot, uptime, ledger_time FROM clock");
  const int code = statement.step();
  if (code == SQLITE_ROW) {
    clock.last.wall = time_of(statement.integer());
    clock.last.boot = statement.text();
    clock.last.uptime = std::chrono::milliseconds(statement.integer());
    clock.time = ledger_time_of(statement.integer());
  }
  // Every ledger is made with a clock.
  return code == SQLITE_ROW ? SQLITE_OK : code == SQLITE_DONE ? SQLITE_CORRUPT : code;
}

int Rows::find_of_future(std::vector<Record>& rows, UnixTime now) const {
  auto statement = prepare("SELECT " + std::string(columns) +
                           " FROM submission WHERE max(reserved_at, coalesce(sending_at, 0), "
                           "coalesce(accepted_at, 0), coalesce(finished_at, 0)) > ? ORDER BY id");
  return read_all(rows, statement.bind(integer(now)));
}

int Rows::find_time(LedgerClock& clock, const ClockReading& now) const {
  const int code = read_clock(clock);
  clock.advance(now);
  return code;
}

int Rows::advance_clock(LedgerClock& clock, const ClockReading& now) const {
  if (const int code = read_clock(clock); code != SQLITE_OK) return code;
  clock.advance(now);
  auto statement = prepare("UPDATE clock SET wall = ?, boot = ?, uptime = ?, ledger_time = ?");
  const int code = statement.bind(integer(clock.last.wall))
                       .bind(clock.last.boot)
                       .bind(std::int64_t{clock.last.uptime.count()})
                       .bind(integer(clock.time))
                       .run();
  // The caller wants its own date, even if another process has read its clocks later.
  clock.last = now;
  return code;
}

int Rows::insert(const Record& record, RecordState state, const LedgerClock& now,
                 std::int64_t& id) const {
  auto statement = prepare(
      "INSERT INTO submission (intent, instance, request, state, credits, api_url, account, "
      "model, mode, resolution, prompt, parent_task_id, details, key_mark, by_uri, task_id, url, "
      "clip_sha256, clip_size, clip_path, reserved_at, accepted_at, is_loopback, "
      "reserved_ledger_time, changed_ledger_time) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
      "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  const int code = statement.bind(record.intent)
                       .bind(record.instance)
                       .bind(record.request)
                       .bind(nick(state))
                       .bind(std::int64_t{record.credits})
                       .bind(record.api_url)
                       .bind(record.account)
                       .bind(record.model)
                       .bind(record.mode)
                       .bind(record.resolution)
                       .bind(record.prompt)
                       .bind(record.parent_task_id)
                       .bind(record.details)
                       .bind(record.key_mark)
                       .bind(std::int64_t{record.by_uri ? 1 : 0})
                       .bind(record.task_id)
                       .bind(record.url)
                       .bind(record.clip_sha256)
                       .bind(static_cast<std::int64_t>(record.clip_size))
                       .bind(record.clip_path)
                       .bind(integer(now.last.wall))
                       .bind(integer(record.accepted_at))
                       .bind(std::int64_t{is_loopback_url(record.api_url) ? 1 : 0})
                       .bind(integer(now.time))
                       .bind(integer(now.time))
                       .run();
  id = sqlite3_last_insert_rowid(connection_->database());
  return code;
}

int Rows::set_state(std::int64_t row, RecordState to) const {
  auto statement = prepare("UPDATE submission SET state = ? WHERE id = ?");
  return change_one(statement.bind(nick(to)).bind(row));
}

int Rows::supersede(std::int64_t row, const LedgerClock& now) const {
  auto statement = prepare(
      "UPDATE submission SET state = 'superseded', finished_at = ?, changed_ledger_time = ? "
      "WHERE id = ?");
  return change_one(statement.bind(integer(now.last.wall)).bind(integer(now.time)).bind(row));
}

int Rows::move(std::int64_t row, RecordState to, const Change& change, LedgerTime time) const {
  const auto time_column = to == RecordState::sending    ? "sending_at"
                           : to == RecordState::accepted ? "accepted_at"
                           : to == RecordState::reserved ? "reserved_at"
                                                         : "finished_at";
  // A submission that is tried again keeps the date of its first reservation.
  const bool keeps_time = to == RecordState::reserved;
  const std::string only_if_empty = "CASE WHEN ?3 = '' THEN task_id ELSE ?3 END";
  auto statement =
      prepare("UPDATE submission SET state = ?1, " + std::string(time_column) + " = " +
              (keeps_time ? "reserved_at" : "?2") + ", task_id = " + only_if_empty +
              ", url = CASE WHEN ?4 = '' THEN url ELSE ?4 END, error = ?5, error_message = ?6, "
              "balance = coalesce(?7, balance), generation_time = coalesce(?9, generation_time), "
              "changed_ledger_time = ?10 "
              "WHERE id = ?8 AND (state = ?1 OR state IN (" +
              list(list_states_before(to)) + "))");
  return change_one(statement.bind(nick(to))
                        .bind(integer(change.at.wall))
                        .bind(change.task_id)
                        .bind(change.url)
                        .bind(change.error ? nick(change.error->code) : std::string_view(""))
                        .bind(change.error ? change.error->message : std::string())
                        .bind(change.balance)
                        .bind(row)
                        .bind(change.generation_time
                                  ? std::optional(std::int64_t{change.generation_time->count()})
                                  : std::nullopt)
                        .bind(integer(time)));
}

int Rows::accept(std::int64_t row, const std::string& task_id, const LedgerClock& now) const {
  auto statement = prepare(
      "UPDATE submission SET state = 'accepted', task_id = ?, accepted_at = ?, "
      "changed_ledger_time = ?, finished_at = NULL, error = '', error_message = '' WHERE id = ?");
  return change_one(
      statement.bind(task_id).bind(integer(now.last.wall)).bind(integer(now.time)).bind(row));
}

int Rows::keep(std::int64_t row, const CachedClip& clip) const {
  auto statement =
      prepare("UPDATE submission SET clip_path = ?, clip_sha256 = ?, clip_size = ? WHERE id = ?");
  return change_one(statement.bind(clip.path)
                        .bind(clip.sha256)
                        .bind(static_cast<std::int64_t>(clip.size))
                        .bind(row));
}

int Rows::restore(std::int64_t row, const CachedClip& clip, const LedgerClock& now) const {
  auto statement = prepare(
      "UPDATE submission SET state = 'completed', credits = 0, task_id = ?, clip_path = ?, "
      "clip_sha256 = ?, clip_size = ?, finished_at = ?, changed_ledger_time = ? "
      "WHERE id = ? AND state = 'reserved'");
  return change_one(statement.bind(clip.identity.task_id)
                        .bind(clip.path)
                        .bind(clip.sha256)
                        .bind(static_cast<std::int64_t>(clip.size))
                        .bind(integer(now.last.wall))
                        .bind(integer(now.time))
                        .bind(row));
}

int Rows::write_dates(const Record& record) const {
  auto statement = prepare(
      "UPDATE submission SET reserved_at = ?, sending_at = ?, accepted_at = ?, finished_at = ? "
      "WHERE id = ?");
  return change_one(statement.bind(integer(record.reserved_at))
                        .bind(integer(record.sending_at))
                        .bind(integer(record.accepted_at))
                        .bind(integer(record.finished_at))
                        .bind(record.id));
}

int Rows::remove_foreign(const std::string& api_url, const std::string& task_id) const {
  auto statement =
      prepare("DELETE FROM submission WHERE intent = '' AND api_url = ? AND task_id = ?");
  return statement.bind(api_url).bind(task_id).run();
}

int Rows::change_one(Statement& change) const {
  const int code = change.run();
  if (code != SQLITE_OK) return code;
  return sqlite3_changes(connection_->database()) == 1 ? SQLITE_OK : SQLITE_MISMATCH;
}

}  // namespace veo
