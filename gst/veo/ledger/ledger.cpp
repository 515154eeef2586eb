// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/ledger/ledger.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "connection.h"
#include "veo/core/unknown_submission.h"

namespace veo {

namespace {

// What a restarting program may do to itself, an intent and day (MONEY.md).
constexpr std::int64_t max_failures = 3;
constexpr std::int64_t max_resubmissions = 2;

constexpr std::string_view columns =
    "id, intent, instance, request, state, credits, api_url, account, model, mode, resolution, "
    "prompt, parent_task_id, details, key_mark, by_uri, task_id, url, clip_sha256, clip_size, "
    "clip_path, error, error_message, balance, reserved_at, sending_at, accepted_at, finished_at";

std::int64_t integer(UnixTime time) { return time.time_since_epoch().count(); }
UnixTime time_of(std::int64_t value) { return UnixTime(std::chrono::milliseconds(value)); }
std::optional<UnixTime> time_of(std::optional<std::int64_t> value) {
  return value ? std::optional(time_of(*value)) : std::nullopt;
}

// In the order of `columns`.
Record read(Statement& row) {
  Record record;
  record.id = row.integer();
  record.intent = row.text();
  record.instance = row.text();
  record.request = row.text();
  // A state that is not ours is from hands that should not write here: it is never sent again.
  record.state = record_state(row.text()).value_or(RecordState::unknown);
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
  return record;
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

bool is_running(const Record& record) {
  return record.state == RecordState::reserved || record.state == RecordState::sending;
}

bool has_task(const Record& record) {
  return record.state == RecordState::accepted || record.state == RecordState::completed;
}

/// The process's connections. They are never closed: SQLite's close is work (a checkpoint), and a
/// process that dies without it loses nothing.
struct Open {
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<Ledger>> ledgers;  // guarded by mutex
};
Open& process() {
  static auto* const instance = new Open;
  return *instance;
}

}  // namespace

struct Ledger::Private {
  explicit Private(std::unique_ptr<Connection> opened) : connection(std::move(opened)) {}

  /// Rows in the order in which they were made, newest first.
  int select(std::vector<Record>& rows, const std::string& where,
             std::initializer_list<std::string_view> values) const {
    Statement statement(
        connection->database(),
        "SELECT " + std::string(columns) + " FROM submission WHERE " + where + " ORDER BY id DESC");
    for (const auto value : values) statement.bind(value);
    int code = statement.step();
    for (; code == SQLITE_ROW; code = statement.step()) rows.push_back(read(statement));
    return code == SQLITE_DONE ? SQLITE_OK : code;
  }

  int set_state(std::int64_t row, RecordState to) const {
    Statement statement(connection->database(), "UPDATE submission SET state = ? WHERE id = ?");
    return statement.bind(nick(to)).bind(row).run();
  }

  /// The rows that an owner left behind, as MONEY.md has it: whoever does not hold his lock is
  /// gone, since it outlives the commit of what came of the row.
  int settle(std::vector<Record>& rows) {
    for (auto& row : rows) {
      if (!is_running(row)) continue;
      auto lock = RowLock::try_acquire(connection->lock_path(), row.id);
      if (!lock) {
        trouble = std::move(lock.error());
        return SQLITE_ERROR;
      }
      if (!*lock) continue;
      row.state = row.state == RecordState::reserved ? RecordState::released : RecordState::unknown;
      if (const int code = set_state(row.id, row.state); code != SQLITE_OK) return code;
    }
    return SQLITE_OK;
  }

  int count(std::int64_t& value, std::string_view intent, RecordState state, UnixTime since) const {
    Statement statement(connection->database(),
                        "SELECT count(*) FROM submission WHERE intent = ? AND state = ? AND "
                        "coalesce(finished_at, reserved_at) > ?");
    const int code = statement.bind(intent).bind(nick(state)).bind(integer(since)).step();
    if (code == SQLITE_ROW) value = statement.integer();
    return code == SQLITE_ROW ? SQLITE_OK : code;
  }

  /// No row is dated before the newest, and rows dated in the future count: a clock that is set
  /// back makes no budget new, then or when it is set right again.
  int newest(std::optional<UnixTime>& value) const {
    Statement statement(connection->database(), "SELECT max(reserved_at) FROM submission");
    const int code = statement.step();
    if (code == SQLITE_ROW) value = time_of(statement.optional_integer());
    return code == SQLITE_ROW ? SQLITE_OK : code;
  }

  int spent(Credits& value, UnixTime since, bool by_uri_only) const {
    Statement statement(
        connection->database(),
        "SELECT coalesce(sum(credits), 0) FROM submission WHERE reserved_at > ? AND "
        "by_uri >= ? AND state IN (" +
            spent_states() + ")");
    const int code = statement.bind(integer(since)).bind(std::int64_t{by_uri_only ? 1 : 0}).step();
    if (code == SQLITE_ROW) value = static_cast<Credits>(statement.integer());
    return code == SQLITE_ROW ? SQLITE_OK : code;
  }

  int insert(const Record& record, RecordState state, UnixTime now, std::int64_t& id) const {
    Statement statement(
        connection->database(),
        "INSERT INTO submission (intent, instance, request, state, credits, api_url, account, "
        "model, mode, resolution, prompt, parent_task_id, details, key_mark, by_uri, task_id, url, "
        "clip_sha256, clip_size, clip_path, reserved_at, accepted_at) VALUES (?, ?, ?, ?, ?, ?, ?, "
        "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    const int code =
        statement.bind(record.intent)
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
            .bind(integer(now))
            .bind(record.accepted_at ? std::optional(integer(*record.accepted_at)) : std::nullopt)
            .run();
    id = sqlite3_last_insert_rowid(connection->database());
    return code;
  }

  /// What came of the submissions of this intent, for one who would join (no instance) or has
  /// submitted under his own name.
  static const Record* joinable(const std::vector<Record>& rows, const std::string& instance) {
    const auto found = std::ranges::find_if(rows, [&](const Record& row) {
      return has_task(row) && (instance.empty() || row.instance == instance);
    });
    return found == rows.end() ? nullptr : &*found;
  }

  /// Runs within the transaction. `found` is empty where `trouble` says why.
  int decide(const Claim& claim, UnixTime now, std::optional<Finding>& found) {
    const auto& wanted = claim.record;
    std::vector<Record> rows;
    int code = select(rows, "intent = ?", {wanted.intent});
    if (code == SQLITE_OK) code = settle(rows);
    if (code != SQLITE_OK) return code;

    if (claim.by_request_id) {
      for (const auto& row : rows) {
        if (row.request != wanted.request && row.state != RecordState::released) {
          return refuse({.code = ErrorCode::invalid_request,
                         .message = "request-id: this one was used on " + to_text(row.reserved_at) +
                                    " for another request. Use another, or the same request. "
                                    "Nothing was sent."});
        }
      }
    }
    if (const auto* row = joinable(rows, wanted.instance)) {
      found = *row;
      return SQLITE_OK;
    }
    const auto is_ours = [&](const Record& row) {
      return wanted.instance.empty() || row.instance == wanted.instance;
    };
    if (std::ranges::any_of(rows, [&](const Record& r) { return is_running(r) && is_ours(r); })) {
      found = Later{};
      return SQLITE_OK;
    }
    if (code = check_unknown(claim, rows, now); code != SQLITE_OK || trouble) return code;

    std::int64_t failures = 0;
    code = count(failures, wanted.intent, RecordState::failed, now - budget_window);
    if (code != SQLITE_OK) return code;
    if (failures >= max_failures) return refuse(failed_too_often(rows));
    if (claim.refusal) return refuse(*claim.refusal);
    if (code = admit(claim, now); code != SQLITE_OK || trouble) return code;

    // It may be submitted: from here on, all or nothing.
    if (code = supersede(rows, now); code != SQLITE_OK) return code;
    std::optional<UnixTime> last;
    if (code = newest(last); code != SQLITE_OK) return code;
    std::int64_t id = 0;
    code = insert(wanted, RecordState::reserved, std::max(now, last.value_or(now)), id);
    if (code != SQLITE_OK) return code;
    auto lock = RowLock::try_acquire(connection->lock_path(), id);
    if (!lock) {
      trouble = std::move(lock.error());
      return SQLITE_ABORT;
    }
    // Ids are never used twice, and nobody locks a row that he cannot see. But a ledger may have
    // been removed and made anew, with an owner of the old one still there.
    if (!*lock) return SQLITE_BUSY;
    found = Reservation(id, std::move(**lock));
    return SQLITE_OK;
  }

  /// Unknown submissions stand in the way of every other, until the user says otherwise.
  int check_unknown(const Claim& claim, const std::vector<Record>& rows, UnixTime now) {
    const auto first = std::ranges::find(rows, RecordState::unknown, &Record::state);
    if (first == rows.end()) return SQLITE_OK;
    if (!claim.resubmit) return refuse(unknown_submission(*first, claim.is_plain));
    std::int64_t before = 0;
    const int code =
        count(before, claim.record.intent, RecordState::superseded, now - budget_window);
    if (code == SQLITE_OK && before >= max_resubmissions) {
      auto error = unknown_submission(*first, claim.is_plain);
      error.message += " on-unknown=resubmit has been used " + std::to_string(before) +
                       " times within 24 hours for this request, which is the limit.";
      return refuse(std::move(error));
    }
    return code;
  }

  int supersede(const std::vector<Record>& rows, UnixTime now) const {
    for (const auto& row : rows) {
      if (row.state != RecordState::unknown) continue;
      Statement statement(connection->database(),
                          "UPDATE submission SET state = ?, finished_at = ? WHERE id = ?");
      const int code =
          statement.bind(nick(RecordState::superseded)).bind(integer(now)).bind(row.id).run();
      if (code != SQLITE_OK) return code;
    }
    return SQLITE_OK;
  }

  int admit(const Claim& claim, UnixTime now) {
    // What dead owners reserved for other intents was never sent.
    if (claim.daily_budget || claim.uri_budget) {
      std::vector<Record> running;
      int code = select(running, "state IN ('reserved', 'sending')", {});
      if (code == SQLITE_OK) code = settle(running);
      if (code != SQLITE_OK) return code;
    }
    const auto price = claim.price_is_known ? std::optional(claim.record.credits) : std::nullopt;
    const auto within = [&](const char* variable, std::optional<Credits> limit, bool by_uri_only) {
      if (!limit) return SQLITE_OK;
      Credits before = 0;
      const int code = spent(before, now - budget_window, by_uri_only);
      if (code != SQLITE_OK) return code;
      auto fits = check_budget(variable, *limit, before, price);
      if (fits) return SQLITE_OK;
      std::optional<UnixTime> last;
      if (newest(last) == SQLITE_OK && last && *last > now) {
        fits.error().message += " The newest row is dated " + to_text(*last) +
                                ", in the future: what was recorded since then counts until then.";
      }
      return refuse(std::move(fits.error()));
    };
    if (const int code = within("VEO_DAILY_BUDGET", claim.daily_budget, false);
        code != SQLITE_OK || trouble || !claim.record.by_uri) {
      return code;
    }
    if (!claim.uri_budget) {
      return refuse({.code = ErrorCode::budget_exceeded,
                     .message = "A veo:clip URI submits a paid task only where VEO_URI_BUDGET "
                                "allows it: set it to the credits that URIs may spend within 24 "
                                "hours. Nothing was sent."});
    }
    return within("VEO_URI_BUDGET", claim.uri_budget, true);
  }

  static Error failed_too_often(const std::vector<Record>& rows) {
    const auto last = std::ranges::find(rows, RecordState::failed, &Record::state);
    return {.code = ErrorCode::task_failed,
            .message = "The service has failed this request " + std::to_string(max_failures) +
                       " times within 24 hours, the last time as task " + last->task_id + ": " +
                       last->error_message + " Nothing was sent. Change the prompt, or set take.",
            .task_id = last->task_id,
            .charged = Charged::no};
  }

  /// SQLITE_MISMATCH: no row, where there has to be one.
  int changed_one(Statement& change) const {
    const int code = change.run();
    if (code != SQLITE_OK) return code;
    return sqlite3_changes(connection->database()) == 1 ? SQLITE_OK : SQLITE_MISMATCH;
  }

  /// Of a change of one row. SQLITE_MISMATCH: it was not there, or not in a state for that.
  [[nodiscard]] Status outcome_of(int code, std::int64_t row, RecordState to) const {
    if (code == SQLITE_OK) return {};
    if (code != SQLITE_MISMATCH) return fail(connection->explain(code));
    return fail({.code = ErrorCode::ledger,
                 .message = "The ledger " + connection->path() + " has row " + std::to_string(row) +
                            " in a state that does not lead to " + std::string(nick(to)) +
                            ": somebody else has changed it."});
  }

  int refuse(Error error) {
    trouble = std::move(error);
    return SQLITE_OK;
  }

  const std::unique_ptr<Connection> connection;
  std::string salt;
  std::mutex mutex;              // one user of the connection at a time
  std::optional<Error> trouble;  // guarded by mutex: what decide() has to say, or a lock's failure
};

Ledger::Ledger() = default;
Ledger::~Ledger() = default;

Result<std::shared_ptr<Ledger>> Ledger::open(const std::string& path) {
  auto& [mutex, ledgers] = process();
  const std::lock_guard lock(mutex);
  auto& known = ledgers[path];
  if (known && known->p_->connection->is_current()) return known;
  known.reset();

  auto opened = Connection::open(path);
  if (!opened) return fail(std::move(opened.error()));
  if (!*opened) return std::shared_ptr<Ledger>();
  std::shared_ptr<Ledger> ledger(new Ledger);
  ledger->p_ = std::make_unique<Private>(std::move(*opened));
  auto& connection = *ledger->p_->connection;
  Statement salt(connection.database(), "SELECT value FROM salt");
  if (const int code = salt.step(); code != SQLITE_ROW) {
    if (is_busy(code)) return std::shared_ptr<Ledger>();
    return fail(connection.explain(code));
  }
  ledger->p_->salt = salt.text();
  known = ledger;
  return ledger;
}

Result<Finding> Ledger::claim(const Claim& claim, UnixTime now) {
  auto& p = *p_;
  const std::lock_guard lock(p.mutex);
  p.trouble.reset();
  std::optional<Finding> found;
  const int code = p.connection->transact([&] { return p.decide(claim, now, found); });
  // What a lock's failure has to say is more than its code.
  if (p.trouble) return fail(std::move(*p.trouble));
  if (is_busy(code)) return Finding(Later{});
  if (code != SQLITE_OK) return fail(p.connection->explain(code));
  return std::move(*found);
}

Result<bool> Ledger::knows(const std::string& intent) {
  auto& p = *p_;
  const std::lock_guard lock(p.mutex);
  Statement statement(p.connection->database(),
                      "SELECT count(*) FROM submission WHERE intent = ? AND state <> 'released'");
  const int code = statement.bind(intent).step();
  if (code != SQLITE_ROW) return fail(p.connection->explain(code));
  return statement.integer() > 0;
}

Result<std::optional<Record>> Ledger::find(const std::string& intent, const std::string& instance) {
  auto& p = *p_;
  const std::lock_guard lock(p.mutex);
  std::vector<Record> rows;
  if (const int code = p.select(rows, "intent = ?", {intent}); code != SQLITE_OK) {
    return fail(p.connection->explain(code));
  }
  const auto* row = Private::joinable(rows, instance);
  return row != nullptr ? std::optional(*row) : std::nullopt;
}

Result<std::optional<Record>> Ledger::adopt(Record record, UnixTime now) {
  auto& p = *p_;
  const std::lock_guard lock(p.mutex);
  std::vector<Record> rows;
  const int code = p.connection->transact([&] {
    const int found = p.select(rows, "api_url = ? AND task_id = ? AND state <> 'superseded'",
                               {record.api_url, record.task_id});
    if (found != SQLITE_OK || !rows.empty()) return found;
    record.intent.clear();
    record.credits = 0;
    record.state = RecordState::accepted;
    record.accepted_at = now;
    return p.insert(record, RecordState::accepted, now, record.id);
  });
  if (is_busy(code)) return std::optional<Record>();
  if (code != SQLITE_OK) return fail(p.connection->explain(code));
  return std::optional(rows.empty() ? std::move(record) : std::move(rows.front()));
}

Result<std::optional<Record>> Ledger::answer(const std::string& intent, const Record& task,
                                             UnixTime now) {
  auto& p = *p_;
  const std::lock_guard lock(p.mutex);
  p.trouble.reset();
  std::optional<Record> answered;
  const int code = p.connection->transact([&] {
    std::vector<Record> rows;
    int step = p.select(rows, "api_url = ? AND task_id = ? AND state = 'unknown'",
                        {task.api_url, task.task_id});
    if (step == SQLITE_OK && rows.empty() && task.intent.empty()) {
      step = p.select(rows, "intent = ? AND intent <> ''", {intent});
      if (step == SQLITE_OK) step = p.settle(rows);
    }
    const auto row = std::ranges::find(rows, RecordState::unknown, &Record::state);
    if (step != SQLITE_OK || row == rows.end()) return step;
    Statement update(p.connection->database(),
                     "UPDATE submission SET state = 'accepted', task_id = ?, accepted_at = ?, "
                     "finished_at = NULL, error = '', error_message = '' WHERE id = ?");
    step = update.bind(task.task_id).bind(integer(now)).bind(row->id).run();
    if (step != SQLITE_OK) return step;
    // The task has a row of its own now.
    Statement remove(p.connection->database(),
                     "DELETE FROM submission WHERE intent = '' AND api_url = ? AND task_id = ?");
    step = remove.bind(task.api_url).bind(task.task_id).run();
    if (step != SQLITE_OK) return step;
    rows.clear();
    step = p.select(rows, "api_url = ? AND task_id = ? AND state = 'accepted'",
                    {task.api_url, task.task_id});
    if (!rows.empty()) answered = std::move(rows.front());
    return step;
  });
  if (p.trouble) return fail(std::move(*p.trouble));
  if (code != SQLITE_OK) return fail(p.connection->explain(code));
  return answered;
}

Status Ledger::move(std::int64_t row, RecordState to, const Change& change) {
  auto& p = *p_;
  const std::lock_guard lock(p.mutex);
  if (!p.connection->is_current()) {
    return fail({.code = ErrorCode::ledger,
                 .message = "The ledger " + p.connection->path() +
                            " was removed or replaced while it was in use."});
  }
  const auto time_column = to == RecordState::sending    ? "sending_at"
                           : to == RecordState::accepted ? "accepted_at"
                           : to == RecordState::reserved ? "reserved_at"
                                                         : "finished_at";
  // A second try counts from its first reservation.
  const bool keeps_time = to == RecordState::reserved;
  const int code = p.connection->transact([&] {
    const std::string only_if_empty = "CASE WHEN ?3 = '' THEN task_id ELSE ?3 END";
    Statement statement(
        p.connection->database(),
        "UPDATE submission SET state = ?1, " + std::string(time_column) + " = " +
            (keeps_time ? "reserved_at" : "?2") + ", task_id = " + only_if_empty +
            ", url = CASE WHEN ?4 = '' THEN url ELSE ?4 END, error = ?5, error_message = ?6, "
            "balance = coalesce(?7, balance), generation_time = coalesce(?9, generation_time) "
            "WHERE id = ?8 AND (state = ?1 OR state IN (" +
            list(ways_to(to)) + "))");
    return p.changed_one(statement.bind(nick(to))
                             .bind(integer(change.at))
                             .bind(change.task_id)
                             .bind(change.url)
                             .bind(change.error ? nick(change.error->code) : std::string_view(""))
                             .bind(change.error ? change.error->message : std::string())
                             .bind(change.balance)
                             .bind(row)
                             .bind(change.generation_time ? std::optional(std::int64_t{
                                                                change.generation_time->count()})
                                                          : std::nullopt));
  });
  return p.outcome_of(code, row, to);
}

Status Ledger::keep(std::int64_t row, const CachedClip& clip) {
  auto& p = *p_;
  const std::lock_guard lock(p.mutex);
  const int code = p.connection->transact([&] {
    Statement statement(p.connection->database(),
                        "UPDATE submission SET clip_path = ?, clip_sha256 = ?, clip_size = ? "
                        "WHERE id = ?");
    return p.changed_one(statement.bind(clip.path)
                             .bind(clip.sha256)
                             .bind(static_cast<std::int64_t>(clip.size))
                             .bind(row));
  });
  return p.outcome_of(code, row, RecordState::completed);
}

Status Ledger::restore(const Reservation& reservation, const CachedClip& clip, UnixTime now) {
  auto& p = *p_;
  const std::lock_guard lock(p.mutex);
  const int code = p.connection->transact([&] {
    Statement statement(p.connection->database(),
                        "UPDATE submission SET state = 'completed', credits = 0, task_id = ?, "
                        "clip_path = ?, clip_sha256 = ?, clip_size = ?, finished_at = ? "
                        "WHERE id = ? AND state = 'reserved'");
    return p.changed_one(statement.bind(clip.identity.task_id)
                             .bind(clip.path)
                             .bind(clip.sha256)
                             .bind(static_cast<std::int64_t>(clip.size))
                             .bind(integer(now))
                             .bind(reservation.row()));
  });
  return p.outcome_of(code, reservation.row(), RecordState::completed);
}

Result<Record> Ledger::get(std::int64_t row) {
  auto& p = *p_;
  const std::lock_guard lock(p.mutex);
  std::vector<Record> rows;
  const int code = p.select(rows, "id = ?", {std::to_string(row)});
  if (code != SQLITE_OK) return fail(p.connection->explain(code));
  if (rows.empty()) return fail(p.connection->explain(SQLITE_CORRUPT));
  return std::move(rows.front());
}

Result<std::optional<std::vector<Record>>> Ledger::all() {
  auto& p = *p_;
  const std::lock_guard lock(p.mutex);
  p.trouble.reset();
  std::vector<Record> rows;
  const int code = p.connection->transact([&] {
    const int found = p.select(rows, "true", {});
    return found == SQLITE_OK ? p.settle(rows) : found;
  });
  if (p.trouble) return fail(std::move(*p.trouble));
  if (is_busy(code)) return std::optional<std::vector<Record>>();
  if (code != SQLITE_OK) return fail(p.connection->explain(code));
  return std::optional(std::move(rows));
}

Result<std::vector<std::chrono::milliseconds>> Ledger::generation_times(const Record& like) {
  auto& p = *p_;
  const std::lock_guard lock(p.mutex);
  Statement statement(
      p.connection->database(),
      "SELECT generation_time FROM submission WHERE generation_time IS NOT NULL AND "
      "api_url = ? AND model = ? AND mode = ? AND resolution = ? "
      "ORDER BY id DESC LIMIT 50");
  statement.bind(like.api_url).bind(like.model).bind(like.mode).bind(like.resolution);
  std::vector<std::chrono::milliseconds> times;
  int code = statement.step();
  for (; code == SQLITE_ROW; code = statement.step()) times.emplace_back(statement.integer());
  if (code != SQLITE_DONE) return fail(p.connection->explain(code));
  return times;
}

const std::string& Ledger::salt() const { return p_->salt; }

}  // namespace veo
