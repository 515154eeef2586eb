// SPDX-License-Identifier: LGPL-2.1-or-later
#include "connection.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <utility>

#include "row_lock.h"
#include "veo/core/error_table.h"
#include "veo/core/log.h"
#include "veo/core/url_policy.h"
#include "veo/system/private_directory.h"

namespace veo {

namespace {

// "veoL". sqlite3 and file(1) show the id, and it tells our files from those of other programs.
constexpr std::int64_t application_id = 0x76656f4c;

// The step at index N brings the schema from version N (PRAGMA user_version) to version N + 1. A
// released step is never edited: a change is a new step.
constexpr const char* migrations[] = {
    R"(CREATE TABLE submission (
         id INTEGER PRIMARY KEY AUTOINCREMENT,
         intent TEXT NOT NULL,
         instance TEXT NOT NULL,
         request TEXT NOT NULL,
         state TEXT NOT NULL,
         credits INTEGER NOT NULL,
         api_url TEXT NOT NULL,
         account TEXT NOT NULL,
         model TEXT NOT NULL,
         mode TEXT NOT NULL,
         resolution TEXT NOT NULL,
         prompt TEXT NOT NULL,
         parent_task_id TEXT NOT NULL,
         details TEXT NOT NULL,
         key_mark TEXT NOT NULL,
         by_uri INTEGER NOT NULL,
         task_id TEXT NOT NULL DEFAULT '',
         url TEXT NOT NULL DEFAULT '',
         clip_sha256 TEXT NOT NULL DEFAULT '',
         clip_size INTEGER NOT NULL DEFAULT 0,
         clip_path TEXT NOT NULL DEFAULT '',
         error TEXT NOT NULL DEFAULT '',
         error_message TEXT NOT NULL DEFAULT '',
         balance REAL,
         reserved_at INTEGER NOT NULL,
         sending_at INTEGER,
         accepted_at INTEGER,
         finished_at INTEGER
       );
       CREATE INDEX submission_intent ON submission (intent);
       CREATE INDEX submission_task ON submission (api_url, task_id);
       CREATE INDEX submission_time ON submission (reserved_at);
       -- One intent, one charge: whatever the code does.
       CREATE UNIQUE INDEX submission_once ON submission (intent, instance)
         WHERE intent <> '' AND state IN ('reserved', 'sending', 'accepted', 'completed');
       CREATE TABLE salt (value TEXT NOT NULL);
       INSERT INTO salt VALUES (lower(hex(randomblob(32))));)",
    // How long the service took, in milliseconds. The polls follow these times.
    R"(ALTER TABLE submission ADD COLUMN generation_time INTEGER;)",
    // A start and a search for the newest row cost the same, however many rows there are.
    R"(DROP INDEX submission_intent;
       -- What was not sent says nothing to a claim, and may be most of an intent's rows.
       CREATE INDEX submission_intent ON submission (intent) WHERE state <> 'released';
       DROP INDEX submission_task;
       CREATE INDEX submission_task ON submission (task_id, api_url);
       -- Those that may have lost their owner, and the history by state.
       CREATE INDEX submission_state ON submission (state, reserved_at);
       CREATE INDEX submission_generation_time ON submission (api_url, model, mode, resolution)
         WHERE generation_time IS NOT NULL;)",
    // Rules count by ledger time (core/ledger_time.h), and play money is apart from money. Older
    // versions dated a row never before the newest row, so a date of the future may be wrong. The
    // later dates of such a row are right, and no reservation is later than now.
    R"(CREATE TABLE clock (
         wall INTEGER NOT NULL,
         boot TEXT NOT NULL,
         uptime INTEGER NOT NULL,
         ledger_time INTEGER NOT NULL
       );
       INSERT INTO clock SELECT ms, '', 0, ms
         FROM (SELECT CAST(strftime('%s', 'now') AS INTEGER) * 1000 AS ms);
       ALTER TABLE submission ADD COLUMN is_loopback INTEGER NOT NULL DEFAULT 0;
       ALTER TABLE submission ADD COLUMN reserved_ledger_time INTEGER NOT NULL DEFAULT 0;
       ALTER TABLE submission ADD COLUMN changed_ledger_time INTEGER NOT NULL DEFAULT 0;
       UPDATE submission SET
         is_loopback = veo_is_loopback(api_url),
         reserved_ledger_time = min(reserved_at, coalesce(sending_at, reserved_at),
           coalesce(accepted_at, reserved_at), coalesce(finished_at, reserved_at),
           (SELECT ledger_time FROM clock)),
         changed_ledger_time = min(coalesce(finished_at, accepted_at, sending_at, reserved_at),
           (SELECT ledger_time FROM clock));
       -- Older versions wrote the options of the line that named a foreign task.
       UPDATE submission SET model = '', mode = '', resolution = '', details = ''
         WHERE intent = '';
       -- The history's order is that of the ids.
       DROP INDEX submission_state;
       CREATE INDEX submission_state ON submission (state);
       CREATE INDEX submission_spending ON submission (is_loopback, reserved_ledger_time);
       -- A process of an older version may have the file open, and knows no ledger time.
       CREATE TRIGGER submission_without_ledger_time AFTER INSERT ON submission
         WHEN new.reserved_ledger_time = 0 BEGIN
           UPDATE submission SET
             reserved_ledger_time = (SELECT ledger_time FROM clock),
             changed_ledger_time = (SELECT ledger_time FROM clock)
           WHERE id = new.id;
         END;)",
    // One row. `change_count` is compared with the witness (witness.h). `established` is 1 after
    // the first submission, or after the user's decision at `accepted_at`.
    R"(CREATE TABLE meta (
         id TEXT NOT NULL,
         change_count INTEGER NOT NULL,
         established INTEGER NOT NULL,
         accepted_at INTEGER
       );
       INSERT INTO meta VALUES (lower(hex(randomblob(16))), 0,
         (SELECT EXISTS (SELECT 1 FROM submission)), NULL);)",
};
constexpr auto newest_version = static_cast<std::int64_t>(std::size(migrations));

// The process that makes the file holds this row. SQLite's row ids begin with 1.
constexpr std::int64_t row_of_the_file = 0;

// Calls queue on the ledger's store thread. A call that finds the file locked by another process's
// write waits, because a write takes milliseconds, or a second or two on a disk that syncs slowly.
// If the wait was in vain, the next calls wait only briefly, until one of them succeeds. Otherwise
// the last of a hundred jobs would wait for the sum of all timeouts before its first try, and the
// record of a paid task might wait with it. On SQLITE_BUSY the caller retries later, behind the
// others.
constexpr int patient_ms = 2000;
constexpr int impatient_ms = 50;

/// Makes core's rule known to the SQL of the migrations.
int add_functions(sqlite3* database) {
  const auto is_loopback = [](sqlite3_context* context, int /*count*/,
                              sqlite3_value** values) noexcept {
    const auto* const text = reinterpret_cast<const char*>(sqlite3_value_text(values[0]));
    sqlite3_result_int(context, text != nullptr && is_loopback_url(text) ? 1 : 0);
  };
  return sqlite3_create_function_v2(database, "veo_is_loopback", 1,
                                    SQLITE_UTF8 | SQLITE_DETERMINISTIC, nullptr, is_loopback,
                                    nullptr, nullptr, nullptr);
}

/// Whether the path is on a network file system. WAL shares memory between processes, so all of
/// them must be on one machine.
bool is_network_file_system(const std::string& path) {
  constexpr long magics[] = {NFS_SUPER_MAGIC,
                             SMB_SUPER_MAGIC,
                             static_cast<long>(CIFS_SUPER_MAGIC),
                             static_cast<long>(SMB2_SUPER_MAGIC),
                             AFS_SUPER_MAGIC,
                             CODA_SUPER_MAGIC,
                             CEPH_SUPER_MAGIC,
                             V9FS_MAGIC};
  struct statfs info {};
  return ::statfs(path.c_str(), &info) == 0 &&
         std::ranges::find(magics, static_cast<long>(info.f_type)) != std::end(magics);
}

/// Whether something is mounted at the path (mount --bind, or a container's volume).
bool is_mount_point(const std::string& path) {
  struct statx info {};
  return ::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, 0, &info) == 0 &&
         (info.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) != 0 &&
         (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

/// Returns the same text for each way to name the file.
std::string resolve(const std::string& directory, const std::string& path) {
  const auto slash = path.rfind('/');
  const auto name = slash == std::string::npos ? path : path.substr(slash + 1);
  std::error_code error;
  const auto resolved = std::filesystem::canonical(directory, error);
  return error ? path : (resolved / name).string();
}

Error refuse(const std::string& path, const std::string& why) {
  return {.code = ErrorCode::ledger, .message = "The ledger " + path + " cannot be used: " + why};
}

Error refuse_by_errno(const std::string& path) {
  const bool read_only = errno == EACCES || errno == EROFS || errno == EPERM;
  const std::string why = read_only ? "it is read-only." : std::strerror(errno) + std::string(".");
  return refuse(path, with_advice(why, ErrorCode::ledger));
}

/// Opens the file with O_PATH, to look at it only. SQLite's locks belong to the process, and the
/// kernel drops them when the process closes any real descriptor of the file; O_PATH makes none.
FileHandle open_path(const std::string& path) {
  return FileHandle(retried([&] {
    return FileSystem::get().openat(AT_FDCWD, path.c_str(), O_PATH | O_CLOEXEC | O_NOFOLLOW, 0);
  }));
}

/// Makes an empty private file, because SQLite would make one that all can read, and gives the
/// file's mode to its companions. Existing companions belong to a removed file, and SQLite would
/// take them for the new file's: they are removed. False: another process makes the file.
Result<bool> make_file(const std::string& path, int directory) {
  auto& files = FileSystem::get();
  auto lock = RowLock::try_acquire(make_lock_path(path), row_of_the_file);
  if (!lock) return fail(std::move(lock.error()));
  if (!*lock) return false;
  // Only the holder of the lock makes the file. So if the file is not there now, no process makes
  // it meanwhile, and no process has begun to write its companions.
  if (open_path(path)) return true;
  for (const char* companion : {"-wal", "-shm"}) {
    files.unlinkat(AT_FDCWD, (path + companion).c_str(), 0);
  }
  const FileHandle file(retried([&] {
    return files.openat(AT_FDCWD, path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  }));
  // A commit is safe only if the file's name is on the disk too.
  if (!file || retried([&] { return files.fsync(directory); }) != 0)
    return fail(refuse_by_errno(path));
  return true;
}

}  // namespace

std::string make_lock_path(const std::string& path) { return path + "-locks"; }

bool is_busy(int code) { return (code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED; }

std::string Connection::lock_path() const { return make_lock_path(path_); }

Error Connection::explain(int code) const {
  log::debug(log::Category::ledger, log::text(path_), ": SQLite's code ", code, ", ",
             log::text(sqlite3_errstr(code)));
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return refuse(path_,
                    "it is damaged. Nothing is submitted without a record of what is paid: "
                    "restore it from a copy, or move it away; tasks that are in it can still be "
                    "played by their task id.");
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return refuse(path_, with_advice("it is read-only.", ErrorCode::ledger));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return refuse(path_, "other processes have been writing to it all the time.");
    case SQLITE_IOERR:
      // The companions may have the only record of a paid task, so no advice removes them.
      return refuse(path_, with_advice(std::string(sqlite3_errstr(code)) + " (SQLite, " +
                                           std::to_string(code) +
                                           "). The disk may be full or broken, or the process may "
                                           "not write so much (ulimit -f).",
                                       ErrorCode::ledger));
    default:
      return refuse(path_, with_advice(std::string(sqlite3_errstr(code)) + " (SQLite, " +
                                           std::to_string(code) + ").",
                                       ErrorCode::ledger));
  }
}

Result<std::unique_ptr<Connection>> Connection::open(const std::string& path) {
  auto& files = FileSystem::get();
  const auto slash = path.rfind('/');
  const auto directory =
      slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
  auto opened = open_private_directory(directory, ErrorCode::ledger, "The ledger's directory");
  if (!opened) return fail(std::move(opened.error()));
  if (is_network_file_system(directory)) {
    return fail(refuse(path,
                       "it is on a network file system. Name one on a local disk with the "
                       "property ledger or VEO_LEDGER."));
  }

  auto file = open_path(path);
  if (!file && errno == ENOENT) {
    auto made = make_file(path, opened->get());
    if (!made) return fail(std::move(made.error()));
    if (!*made) return std::unique_ptr<Connection>();
    file = open_path(path);
  }
  struct stat info {};
  if (!file || files.fstat(file.get(), &info) != 0) {
    return fail(refuse_by_errno(path));
  }
  if (!S_ISREG(info.st_mode)) return fail(refuse(path, "it is not a regular file."));
  // Users of another name would have other companions (-wal, -locks), and not see these users.
  if (info.st_nlink > 1) {
    return fail(refuse(path, "it has more than one name (hard links). Remove the other names."));
  }
  if (is_mount_point(path)) {
    return fail(refuse(path,
                       "the file itself is a mount point. Mount its folder, so that the files "
                       "beside it (-wal, -locks) are the same for all users."));
  }
  if (info.st_uid != ::geteuid()) return fail(refuse(path, "it belongs to another user."));
  if ((info.st_mode & 077U) != 0) {
    return fail(refuse(path, "others may read or write it. Make it yours alone: chmod 600."));
  }

  std::unique_ptr<Connection> connection(new Connection(path));
  connection->absolute_path_ = resolve(directory, path);
  connection->device_ = info.st_dev;
  connection->inode_ = info.st_ino;
  sqlite3* database = nullptr;
  const int code = sqlite3_open_v2(
      path.c_str(), &database,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_EXRESCODE, files.sqlite_vfs());
  connection->database_.reset(database);
  if (code != SQLITE_OK) return fail(connection->explain(code));
  auto ready = connection->prepare();
  if (!ready) return fail(std::move(ready.error()));
  if (!*ready) return std::unique_ptr<Connection>();
  return connection;
}

int Connection::read_number(const char* sql, std::int64_t& value) {
  Statement statement(database(), sql);
  const int code = statement.step();
  if (code == SQLITE_ROW) value = statement.integer();
  return code == SQLITE_ROW ? SQLITE_OK : code;
}

/// Brings the file to this version's schema. False: another process locks the file.
Result<bool> Connection::prepare() {
  sqlite3_busy_timeout(database(), patient_ms);
  const auto ended = [this](int code) -> Result<bool> {
    if (is_busy(code)) return false;
    return fail(explain(code));
  };

  // Count the tables before reading the ids, because another process may be making both.
  std::int64_t tables = 0;
  std::int64_t version = 0;
  std::int64_t application = 0;
  for (const auto& [sql, value] : {std::pair{"SELECT count(*) FROM sqlite_schema", &tables},
                                   {"PRAGMA user_version", &version},
                                   {"PRAGMA application_id", &application}}) {
    if (const int code = read_number(sql, *value); code != SQLITE_OK) return ended(code);
  }
  if (version > newest_version && application == application_id) {
    return fail(refuse(path_, "a newer version of gst-veo made it (schema " +
                                  std::to_string(version) + ", and this one knows " +
                                  std::to_string(newest_version) + "). Use that version."));
  }
  if (application != application_id && (version != 0 || application != 0 || tables != 0)) {
    return fail(refuse(path_, "it is another program's database."));
  }
  // With FULL, each commit is synced before it returns: a few syncs for each task.
  int code = run("PRAGMA synchronous = FULL");
  if (code == SQLITE_OK) code = add_functions(database());
  // The schema of a new file goes into the main file at once, because WAL begins after it.
  if (code == SQLITE_OK && tables == 0) code = migrate();
  if (code == SQLITE_OK) code = run("PRAGMA journal_mode = WAL");
  if (code != SQLITE_OK) return ended(code);
  if (sqlite3_db_readonly(database(), "main") == 1) return ended(SQLITE_READONLY);
  if (tables != 0 && version != newest_version) code = migrate();
  const auto witness = read_witness(lock_path());
  if (code == SQLITE_OK) code = learn_gap(witness);
  if (code != SQLITE_OK) return ended(code);
  is_ready_ = true;
  if (!gap_) update_witness();
  return true;
}

int Connection::migrate() {
  return transact([&] {
    // Read the version here, because another process may have migrated the file meanwhile.
    std::int64_t version = 0;
    int step = read_number("PRAGMA user_version", version);
    for (auto at = version; step == SQLITE_OK && at < newest_version; ++at) {
      step = run(migrations[at]);
    }
    if (step != SQLITE_OK) return step;
    return run(("PRAGMA application_id = " + std::to_string(application_id) +
                "; PRAGMA user_version = " + std::to_string(newest_version) + ";")
                   .c_str());
  });
}

bool Connection::is_current() const {
  struct stat info {};
  return ::stat(path_.c_str(), &info) == 0 && info.st_dev == device_ && info.st_ino == inode_;
}

int Connection::run(const char* sql) {
  return sqlite3_exec(database(), sql, nullptr, nullptr, nullptr);
}

int Connection::begin() {
  const int code = run("BEGIN IMMEDIATE");
  const bool was_busy = std::exchange(is_busy_, is_busy(code));
  if (is_busy_ && !was_busy) {
    log::warning(log::Category::ledger, log::text(path_),
                 " is locked by another process, for over ", std::chrono::milliseconds(patient_ms),
                 "; what was asked of it is tried again and again");
  } else if (is_busy_) {
    log::debug(log::Category::ledger, log::text(path_), " is still locked");
  } else if (was_busy) {
    log::info(log::Category::ledger, log::text(path_), " is not locked any more");
  }
  sqlite3_busy_timeout(database(), is_busy_ ? impatient_ms : patient_ms);
  return code;
}

int Connection::transact(const std::function<int()>& work) {
  // Read the witness before the transaction begins. The transaction then sees each commit that the
  // witness knows.
  const auto witness = is_ready_ ? read_witness(lock_path()) : std::nullopt;
  int code = begin();
  if (code != SQLITE_OK) return code;
  const int changes = sqlite3_total_changes(database());
  if (is_ready_) code = learn_gap(witness);
  if (code == SQLITE_OK) code = work();
  const bool has_changed = code == SQLITE_OK && sqlite3_total_changes(database()) != changes;
  const bool counts = has_changed && is_ready_ && !gap_;
  if (counts) code = count_change();
  if (code == SQLITE_OK) code = run("COMMIT");
  if (code != SQLITE_OK) {
    run("ROLLBACK");
    return code;
  }
  if (has_changed) needs_checkpoint_ = true;
  if (counts) update_witness();
  return SQLITE_OK;
}

// --- The witness ---------------------------------------------------------------------------------

int Connection::read_age(LedgerAge& age) {
  Statement statement(database(), "SELECT id, change_count FROM meta");
  const int code = statement.step();
  // The table has one row.
  if (code != SQLITE_ROW) return code == SQLITE_DONE ? SQLITE_CORRUPT : code;
  age.id = statement.text();
  age.changes = static_cast<std::uint64_t>(statement.integer());
  return SQLITE_OK;
}

/// Compares the ledger with its witness.
int Connection::learn_gap(const std::optional<LedgerAge>& witness) {
  if (const int code = read_age(age_); code != SQLITE_OK) return code;
  const auto before = std::exchange(gap_, std::nullopt);
  if (witness && witness->id != age_.id) {
    gap_ = LedgerGap{.missing = witness->changes, .is_other = true};
  } else if (witness && witness->changes > age_.changes) {
    gap_ = LedgerGap{.missing = witness->changes - age_.changes};
  }
  if (gap_ && gap_ != before) {
    log::warning(log::Category::ledger, log::text(describe_gap(path_, *gap_)));
  }
  return SQLITE_OK;
}

int Connection::find_gap(std::optional<LedgerGap>& gap) {
  const auto witness = read_witness(lock_path());
  const int code = learn_gap(witness);
  gap = gap_;
  return code;
}

int Connection::count_change() {
  ++age_.changes;
  return Statement(database(), "UPDATE meta SET change_count = ?")
      .bind(static_cast<std::int64_t>(age_.changes))
      .run();
}

/// Writes the age into the witness, unless the witness knows a newer one: several processes may
/// write after their commits in another order. A witness that cannot be written stays behind, and
/// says nothing false.
void Connection::update_witness() {
  // If the file was removed or replaced, the witness belongs to the new file.
  if (!is_current()) return;
  const auto known = read_witness(lock_path());
  if (known && (known->id != age_.id || known->changes >= age_.changes)) return;
  if (!write_witness(lock_path(), age_)) {
    log::warning(log::Category::ledger, log::text(lock_path()),
                 " could not be written: ", log::text(std::strerror(errno)));
  }
}

int Connection::read_established(bool& is_established) {
  std::int64_t value = 0;
  const int code = read_number("SELECT established FROM meta", value);
  is_established = value != 0;
  return code;
}

int Connection::establish() {
  return Statement(database(), "UPDATE meta SET established = 1 WHERE established = 0").run();
}

int Connection::accept(std::int64_t now, LedgerAcceptance& acceptance) {
  bool is_established = false;
  const int code = transact([&] {
    acceptance.given_up = gap_;
    int step = read_established(is_established);
    if (step != SQLITE_OK || (is_established && !gap_)) return step;
    // With a new id, the ledger that is given up is recognized if it comes back.
    return Statement(database(),
                     "UPDATE meta SET id = lower(hex(randomblob(16))), established = 1, "
                     "accepted_at = ?")
        .bind(now)
        .run();
  });
  acceptance.was_needed = !is_established || acceptance.given_up;
  if (code != SQLITE_OK || !acceptance.was_needed) return code;
  if (const int read = read_age(age_); read != SQLITE_OK) return read;
  gap_.reset();
  // If the witness stays as it is, the user is asked again.
  return write_witness(lock_path(), age_, WitnessSync::yes) ? SQLITE_OK : SQLITE_IOERR_WRITE;
}

// --- The main file -------------------------------------------------------------------------------

void Connection::checkpoint() {
  sqlite3_busy_timeout(database(), 0);
  int frames = 0;
  int done = 0;
  int code =
      sqlite3_wal_checkpoint_v2(database(), "main", SQLITE_CHECKPOINT_PASSIVE, &frames, &done);
  // The slow part is done, and no writer had to wait for it. What follows empties the file -wal.
  // Otherwise SQLite would add its pages to a copy that is put in the ledger's place.
  if (code == SQLITE_OK && frames == done) {
    code =
        sqlite3_wal_checkpoint_v2(database(), "main", SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  }
  needs_checkpoint_ = code != SQLITE_OK || frames != done;
  sqlite3_busy_timeout(database(), is_busy_ ? impatient_ms : patient_ms);
  log::debug(log::Category::ledger, log::text(path_), ": checkpoint of ", frames, " pages, ", done,
             " are in the main file: ", log::text(sqlite3_errstr(code)));
}

}  // namespace veo
