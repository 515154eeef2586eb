// SPDX-License-Identifier: LGPL-2.1-or-later
#include "connection.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "command.h"
#include "process.h"
#include "rows.h"

namespace veo {
namespace {

using test::bytes_of;
using test::query;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

void write(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  ::chmod(path.c_str(), 0600);
}
unsigned mode_of(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? info.st_mode & 07777U : 0U;
}
std::string value(const Connection& connection, const char* sql) {
  Statement statement(connection.database(), sql);
  return statement.step() == SQLITE_ROW ? statement.text() : "no row";
}

class ConnectionTest : public testing::Test {
 protected:
  // The next test may fork.
  void TearDown() override { test::wait_for_checkpoints(); }

  std::unique_ptr<Connection> open() { return open(path_); }
  static std::unique_ptr<Connection> open(const std::string& path) {
    auto opened = Connection::open(path);
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? std::move(*opened) : nullptr;
  }
  static std::string why_not(const std::string& path) {
    const auto opened = Connection::open(path);
    if (opened) return *opened ? "it is open" : "it is busy";
    EXPECT_EQ(opened.error().code, ErrorCode::ledger);
    EXPECT_EQ(opened.error().charged, Charged::no);
    return opened.error().message;
  }
  /// Makes a ledger with this many rows, and closes it. The ledger is in one file then.
  void write_ledger(int rows) {
    const auto connection = open();
    ASSERT_TRUE(connection);
    for (int i = 0; i < rows; ++i) {
      Statement insert(connection->database(),
                       "INSERT INTO submission (intent, instance, request, state, credits, "
                       "api_url, account, model, mode, resolution, prompt, parent_task_id, "
                       "details, key_mark, by_uri, reserved_at) VALUES (hex(randomblob(32)), '', "
                       "hex(randomblob(200)), 'completed', 40, '', '', '', '', '', "
                       "hex(randomblob(200)), '', '', '', 0, 0)");
      ASSERT_EQ(insert.step(), SQLITE_DONE);
    }
  }

  const test::TemporaryDirectory directory_;
  const std::string path_ = directory_.file("ledger.db");
};

TEST_F(ConnectionTest, MakesFilesAndDirectoriesForItsUserAlone) {
  const auto mask = ::umask(0);
  const auto path = directory_.file("state/veo/ledger.db");
  const auto opened = test::open_ledger(path);
  const auto owned = test::reservation_of(opened->claim(test::a_claim(), test::noon));
  ::umask(mask);
  for (const char* file : {"", "-wal", "-shm", "-locks"}) {
    EXPECT_EQ(mode_of(path + file), 0600U) << file;
  }
  EXPECT_EQ(mode_of(directory_.file("state/veo")), 0700U);
  EXPECT_EQ(mode_of(directory_.file("state")), 0700U);
}

TEST_F(ConnectionTest, EachCommitIsOnTheDisk) {
  for (int time = 0; time < 2; ++time) {  // a new file, then an existing one
    const auto connection = open();
    ASSERT_TRUE(connection);
    EXPECT_EQ(value(*connection, "PRAGMA journal_mode"), "wal");
    EXPECT_EQ(value(*connection, "PRAGMA synchronous"), "2") << "FULL";
  }
}

TEST_F(ConnectionTest, MarksTheFileWithItsApplicationAndVersion) {
  const auto connection = open();
  ASSERT_TRUE(connection);
  EXPECT_EQ(value(*connection, "PRAGMA application_id"), std::to_string(0x76656f4c));
  EXPECT_EQ(value(*connection, "PRAGMA user_version"), "5");
  EXPECT_EQ(connection->lock_path(), path_ + "-locks");
}

TEST_F(ConnectionTest, ExistingRowsStay) {
  write_ledger(3);
  const auto rows = query(path_, "SELECT * FROM submission");
  const auto salt = query(path_, "SELECT * FROM salt");
  ASSERT_TRUE(open());
  EXPECT_EQ(query(path_, "SELECT * FROM submission"), rows);
  EXPECT_EQ(query(path_, "SELECT * FROM salt"), salt);
}

// --- Files that cannot be trusted ----------------------------------------------------------------

TEST_F(ConnectionTest, AFileThatIsNoDatabaseIsDamagedAndLeftUnchanged) {
  const std::string text(5000, 'x');
  write(path_, text);
  EXPECT_THAT(why_not(path_), AllOf(HasSubstr(path_), HasSubstr("damaged"),
                                    HasSubstr("Nothing is submitted without a record")));
  EXPECT_EQ(bytes_of(path_), text);
}

TEST_F(ConnectionTest, ATruncatedFileIsDamaged) {
  write_ledger(200);
  const auto bytes = bytes_of(path_);
  for (const std::size_t size : {bytes.size() - 4096, bytes.size() / 2, std::size_t{4096},
                                 std::size_t{1000}, std::size_t{100}}) {
    write(path_, bytes.substr(0, size));
    EXPECT_THAT(why_not(path_), HasSubstr("damaged")) << size;
  }
}

TEST_F(ConnectionTest, AnotherProgramsDatabaseIsRefused) {
  write(path_, "");
  query(path_, "CREATE TABLE bookmarks (url TEXT); PRAGMA user_version = 1");
  EXPECT_THAT(why_not(path_), HasSubstr("another program's"));
  query(path_, "PRAGMA user_version = 77");
  EXPECT_THAT(why_not(path_), HasSubstr("another program's"));
  EXPECT_EQ(query(path_, "SELECT name FROM sqlite_schema"), "bookmarks");
}

// Most programs leave both numbers at 0. Such a file is only accepted as a ledger if it is empty.
TEST_F(ConnectionTest, AnotherProgramsDatabaseWithoutAVersionIsRefused) {
  write(path_, "");
  query(path_, "CREATE TABLE bookmarks (url TEXT)");
  EXPECT_THAT(why_not(path_), HasSubstr("another program's"));
  EXPECT_EQ(query(path_, "SELECT name FROM sqlite_schema"), "bookmarks");
  query(path_, "PRAGMA application_id = 77");
  EXPECT_THAT(why_not(path_), HasSubstr("another program's"));
}

TEST_F(ConnectionTest, AnotherProgramsDatabaseIsLeftAsItIs) {
  write(path_, "");
  query(path_, "CREATE TABLE bookmarks (url TEXT); PRAGMA user_version = 1");
  const auto bytes = bytes_of(path_);
  (void)why_not(path_);
  EXPECT_EQ(bytes_of(path_) == bytes, true);
}

TEST_F(ConnectionTest, ANewerSchemaIsRefusedAndLeftAlone) {
  write_ledger(3);
  const auto newer = std::to_string(std::stoi(query(path_, "PRAGMA user_version")) + 1);
  query(path_, "PRAGMA user_version = " + newer);
  const auto bytes = bytes_of(path_);
  EXPECT_THAT(why_not(path_), AllOf(HasSubstr("newer version"), HasSubstr("schema " + newer)));
  EXPECT_EQ(bytes_of(path_), bytes);
}

// They undo the newest steps of the schema.
constexpr const char* down_to_schema_4 = "DROP TABLE meta; PRAGMA user_version = 4;";
constexpr const char* down_to_schema_3 =
    "DROP TRIGGER submission_without_ledger_time; DROP TABLE clock; DROP INDEX "
    "submission_spending; DROP INDEX submission_state; "
    "ALTER TABLE submission DROP COLUMN is_loopback; "
    "ALTER TABLE submission DROP COLUMN reserved_ledger_time; "
    "ALTER TABLE submission DROP COLUMN changed_ledger_time; "
    "CREATE INDEX submission_state ON submission (state, reserved_at); PRAGMA user_version = 3;";

TEST_F(ConnectionTest, AnOlderSchemaIsBroughtUpToThisOne) {
  const std::string fourth = down_to_schema_4;
  const std::string third = fourth + down_to_schema_3;
  const std::string second =
      third +
      "DROP INDEX submission_generation_time; DROP INDEX submission_state; "
      "DROP INDEX submission_task; DROP INDEX submission_intent; "
      "CREATE INDEX submission_intent ON submission (intent); "
      "CREATE INDEX submission_task ON submission (api_url, task_id); PRAGMA user_version = 2;";
  const std::string first =
      second + "ALTER TABLE submission DROP COLUMN generation_time; PRAGMA user_version = 1;";
  write_ledger(3);
  // As the migration dates rows of the year 1970.
  query(path_, "UPDATE submission SET reserved_ledger_time = 0, changed_ledger_time = 0");
  const auto schema = query(path_, "SELECT sql FROM sqlite_schema ORDER BY name");
  const auto rows = query(path_, "SELECT * FROM submission");
  const auto newest = query(path_, "PRAGMA user_version");
  for (const auto& older : {fourth, third, second, first}) {
    query(path_, older);
    ASSERT_NE(query(path_, "SELECT sql FROM sqlite_schema ORDER BY name"), schema);
    ASSERT_TRUE(open());
    EXPECT_EQ(query(path_, "PRAGMA user_version"), newest);
    EXPECT_EQ(query(path_, "SELECT sql FROM sqlite_schema ORDER BY name"), schema);
    EXPECT_EQ(query(path_, "SELECT * FROM submission"), rows);
  }
}

// Otherwise such a row would count against no budget.
TEST_F(ConnectionTest, ARowOfAnOlderVersionGetsTheLedgersTime) {
  write_ledger(1);
  EXPECT_EQ(query(path_,
                  "SELECT reserved_ledger_time = ledger_time, changed_ledger_time = ledger_time "
                  "FROM submission, clock"),
            "1|1");
}

// The users of the other name would have a -wal and locks of their own.
TEST_F(ConnectionTest, AFileOfTwoNamesIsRefused) {
  write_ledger(1);
  const auto other = directory_.file("other.db");
  std::filesystem::create_hard_link(path_, other);
  EXPECT_THAT(why_not(path_), HasSubstr("more than one name"));
  EXPECT_THAT(why_not(other), HasSubstr("more than one name"));
  std::filesystem::remove(other);
  EXPECT_TRUE(open());
}

/// Makes a file of schema 3 with one row.
class OldRow : public ConnectionTest {
 protected:
  OldRow() {
    write_ledger(1);
    query(path_, std::string(down_to_schema_4) + down_to_schema_3);
  }
  /// Changes the row, brings the file to this schema, and returns the values.
  std::string migrate(const std::string& change, const std::string& values) {
    query(path_, "UPDATE submission SET " + change);
    EXPECT_TRUE(open());
    return query(path_, "SELECT " + values + " FROM submission, clock");
  }
};

TEST_F(OldRow, GetsItsKindOfMoney) {
  EXPECT_EQ(migrate("api_url = 'http://127.0.0.1:8080/v1'", "is_loopback"), "1");
}

TEST_F(OldRow, OfTheServiceIsMoney) {
  EXPECT_EQ(migrate("api_url = 'https://api.example/v1'", "is_loopback"), "0");
}

TEST_F(OldRow, GetsTheLedgerTimesOfItsDates) {
  EXPECT_EQ(migrate("reserved_at = 1000, sending_at = 2000, accepted_at = 3000, finished_at = 4000",
                    "reserved_ledger_time, changed_ledger_time"),
            "1000|4000");
}

// Older versions handed the date of one wrong row on to all later rows.
TEST_F(OldRow, WithAWrongReservationGetsTheTimeOfItsNextDate) {
  EXPECT_EQ(migrate("reserved_at = 99999999999999, sending_at = 2000, accepted_at = 3000",
                    "reserved_at, reserved_ledger_time, changed_ledger_time"),
            "99999999999999|2000|3000");
}

TEST_F(OldRow, OfTheFutureCountsFromNow) {
  EXPECT_EQ(migrate("reserved_at = 99999999999999, finished_at = 99999999999999",
                    "reserved_ledger_time = ledger_time, changed_ledger_time = ledger_time, "
                    "abs(ledger_time / 1000 - strftime('%s', 'now')) < 60"),
            "1|1|1");
}

TEST_F(OldRow, OfAForeignTaskLosesTheInventedFields) {
  EXPECT_EQ(migrate("intent = '', mode = 'fast', resolution = '720p', model = 'veo-3', "
                    "details = 'seed=1', prompt = 'a dog'",
                    "mode, resolution, model, details, prompt"),
            "||||a dog");
}

TEST_F(ConnectionTest, AFileThatOthersMayReadOrWriteIsRefused) {
  write_ledger(0);
  for (const mode_t mode : {0604U, 0640U, 0620U, 0602U, 0610U, 0666U}) {
    ::chmod(path_.c_str(), mode);
    EXPECT_THAT(why_not(path_), AllOf(HasSubstr("others may"), HasSubstr("chmod 600")))
        << std::oct << mode;
  }
}

TEST_F(ConnectionTest, AFileOfAnotherUserIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can make a file of another user";
  write_ledger(0);
  ASSERT_EQ(::chown(path_.c_str(), 65534, 65534), 0);
  EXPECT_THAT(why_not(path_), HasSubstr("another user"));
}

TEST_F(ConnectionTest, ALinkIsNotFollowed) {
  const auto target = directory_.file("target");
  std::filesystem::create_symlink(target, path_);
  EXPECT_THAT(why_not(path_), HasSubstr("cannot be used"));
  EXPECT_FALSE(std::filesystem::exists(target)) << "the link's target was made";
  write(target, "");
  EXPECT_THAT(why_not(path_), HasSubstr("cannot be used"));
  EXPECT_EQ(bytes_of(target), "");
}

TEST_F(ConnectionTest, ADirectoryOrFifoInPlaceOfTheFileIsRefused) {
  std::filesystem::create_directory(path_);
  EXPECT_THAT(why_not(path_), HasSubstr("cannot be used"));
  const auto pipe = directory_.file("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(why_not(pipe), HasSubstr("not a regular file"));
}

TEST_F(ConnectionTest, ADirectoryWhereOthersMayWriteIsRefused) {
  ::chmod(directory_.path().c_str(), 0777);
  EXPECT_THAT(why_not(path_), HasSubstr("others may write there"));
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(ConnectionTest, AReadOnlyFileIsRefused) {
  write_ledger(1);
  ::chmod(path_.c_str(), 0400);
  EXPECT_THAT(test::as_ordinary_user(directory_.path(), [&] { return why_not(path_); }),
              HasSubstr("it is read-only"));
}

// SQLite could not write there the journal that makes a commit atomic.
TEST_F(ConnectionTest, AReadOnlyDirectoryIsRefused) {
  write_ledger(1);
  ::chmod(directory_.path().c_str(), 0500);
  EXPECT_THAT(test::as_ordinary_user(directory_.path(), [&] { return why_not(path_); }),
              HasSubstr("cannot be used"));
  const auto missing = directory_.file("other.db");
  EXPECT_THAT(test::as_ordinary_user(directory_.path(), [&] { return why_not(missing); }),
              HasSubstr("read-only"));
  ::chmod(directory_.path().c_str(), 0700);
}

// SQLite's locks belong to the process: closing any descriptor of the file drops them. An open
// connection would continue without its locks, and other processes could remove its WAL.
TEST_F(ConnectionTest, OpeningTheFileByAnotherNameKeepsItsLocks) {
  const auto connection = open();
  ASSERT_TRUE(connection);
  ASSERT_EQ(value(*connection, "SELECT count(*) FROM submission"), "0");
  const auto locks = [&] {
    test::Process other([&](const test::Process::Say& say) {
      struct flock lock {};
      lock.l_type = F_WRLCK;
      lock.l_whence = SEEK_SET;
      const int fd = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
      say(::fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type == F_UNLCK ? "free" : "locked");
    });
    return other.line();
  };
  ASSERT_EQ(locks(), "locked");
  ASSERT_TRUE(open(directory_.path() + "/./ledger.db"));
  EXPECT_EQ(locks(), "locked");
}

// --- The main file stands alone ------------------------------------------------------------------

TEST_F(ConnectionTest, TheSchemaOfANewFileIsInTheMainFile) {
  const auto connection = open();
  ASSERT_TRUE(connection);
  const auto copy = directory_.file("copy.db");
  std::filesystem::copy_file(path_, copy);
  EXPECT_EQ(query(copy, "PRAGMA application_id"), std::to_string(0x76656f4c));
  EXPECT_EQ(query(copy, "SELECT count(*) FROM submission"), "0");
  EXPECT_EQ(query(copy, "SELECT count(*) FROM salt"), "1");
}

TEST_F(ConnectionTest, ACheckpointBringsAllChangesIntoTheMainFile) {
  const auto connection = open();
  ASSERT_TRUE(connection);
  const char* change = "INSERT INTO salt VALUES ('second')";
  ASSERT_EQ(connection->transact([&] { return connection->run(change); }), SQLITE_OK);
  const auto rows_of_copy = [&] {
    const auto copy = directory_.file("copy.db");
    std::filesystem::copy_file(path_, copy, std::filesystem::copy_options::overwrite_existing);
    return query(copy, "SELECT count(*) FROM salt");
  };
  EXPECT_TRUE(connection->needs_checkpoint());
  EXPECT_EQ(rows_of_copy(), "1");
  connection->checkpoint();
  EXPECT_FALSE(connection->needs_checkpoint());
  EXPECT_EQ(rows_of_copy(), "2");
  EXPECT_EQ(std::filesystem::file_size(path_ + "-wal"), 0U)
      << "SQLite would add the rest to a copy that is put in the ledger's place";
}

TEST_F(ConnectionTest, ACheckpointWaitsForNobody) {
  const auto connection = open();
  ASSERT_TRUE(connection);
  connection->checkpoint();
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN; SELECT * FROM salt", nullptr, nullptr, nullptr), SQLITE_OK);
  const char* change = "INSERT INTO salt VALUES ('second')";
  ASSERT_EQ(connection->transact([&] { return connection->run(change); }), SQLITE_OK);
  const auto timeout = value(*connection, "PRAGMA busy_timeout");
  connection->checkpoint();  // SQLite would wait for 2 s if it waited
  EXPECT_TRUE(connection->needs_checkpoint()) << "the reader's changes cannot be overwritten";
  EXPECT_EQ(value(*connection, "PRAGMA busy_timeout"), timeout);
  ASSERT_EQ(sqlite3_exec(other, "COMMIT", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(other);
  connection->checkpoint();
  EXPECT_FALSE(connection->needs_checkpoint());
}

// --- The witness ---------------------------------------------------------------------------------

class Witnessed : public ConnectionTest {
 protected:
  static int change(Connection& connection) {
    return connection.transact(
        [&] { return connection.run("INSERT INTO salt VALUES ('another')"); });
  }
  static std::optional<LedgerGap> gap_of(Connection& connection) {
    std::optional<LedgerGap> gap;
    EXPECT_EQ(connection.find_gap(gap), SQLITE_OK);
    return gap;
  }
  [[nodiscard]] std::uint64_t changes() const {
    const auto witness = read_witness(path_ + "-locks");
    EXPECT_TRUE(witness);
    return witness ? witness->changes : 0;
  }
  /// Puts a copy of the closed ledger in its place.
  void restore(const std::string& copy) const {
    std::filesystem::copy_file(copy, path_, std::filesystem::copy_options::overwrite_existing);
  }
};

TEST_F(Witnessed, TheWitnessHasTheNumberOfChanges) {
  const auto connection = open();
  ASSERT_TRUE(connection);
  EXPECT_EQ(changes(), 0U);
  ASSERT_EQ(change(*connection), SQLITE_OK);
  ASSERT_EQ(change(*connection), SQLITE_OK);
  EXPECT_EQ(changes(), 2U);
  EXPECT_EQ(query(path_, "SELECT change_count FROM meta"), "2");
  EXPECT_EQ(read_witness(path_ + "-locks")->id, query(path_, "SELECT id FROM meta"));
  ASSERT_EQ(connection->transact([] { return SQLITE_OK; }), SQLITE_OK);
  EXPECT_EQ(changes(), 2U) << "nothing was changed";
  EXPECT_EQ(connection->transact([&] {
    EXPECT_EQ(connection->run("INSERT INTO salt VALUES ('third')"), SQLITE_OK);
    return SQLITE_FULL;
  }),
            SQLITE_FULL);
  EXPECT_EQ(changes(), 2U) << "the change was undone";
}

TEST_F(Witnessed, ALedgerWithFewerChangesHasAGap) {
  (void)open();
  std::filesystem::copy_file(path_, directory_.file("copy.db"));
  for (int i = 0; i < 3; ++i) ASSERT_EQ(change(*open()), SQLITE_OK);
  restore(directory_.file("copy.db"));
  const auto connection = open();
  ASSERT_TRUE(connection);
  EXPECT_EQ(gap_of(*connection), LedgerGap{.missing = 3});
  // As many changes as are missing do not close the gap.
  for (int i = 0; i < 4; ++i) ASSERT_EQ(change(*connection), SQLITE_OK);
  EXPECT_EQ(gap_of(*connection), LedgerGap{.missing = 3});
  EXPECT_EQ(changes(), 3U);
}

TEST_F(Witnessed, ATransactionNoticesACopyUnderARunningProcess) {
  const auto connection = open();
  ASSERT_TRUE(connection);
  ASSERT_EQ(change(*connection), SQLITE_OK);
  EXPECT_FALSE(connection->gap());
  // Another process has recorded two changes that this file has lost.
  auto age = *read_witness(path_ + "-locks");
  age.changes += 2;
  ASSERT_TRUE(write_witness(path_ + "-locks", age));
  ASSERT_EQ(connection->transact([&] {
    EXPECT_EQ(connection->gap(), LedgerGap{.missing = 2});
    return SQLITE_OK;
  }),
            SQLITE_OK);
}

TEST_F(Witnessed, AnotherLedgerHasAGapOfAllChanges) {
  for (int i = 0; i < 2; ++i) ASSERT_EQ(change(*open()), SQLITE_OK);
  std::filesystem::remove(path_);
  const auto connection = open();
  ASSERT_TRUE(connection);
  const LedgerGap all{.missing = 2, .is_other = true};
  EXPECT_EQ(gap_of(*connection), all);
  for (int i = 0; i < 4; ++i) ASSERT_EQ(change(*connection), SQLITE_OK);
  EXPECT_EQ(gap_of(*connection), all);
}

TEST_F(Witnessed, AnAcceptedLedgerLacksNothing) {
  for (int i = 0; i < 2; ++i) ASSERT_EQ(change(*open()), SQLITE_OK);
  std::filesystem::remove(path_);
  const auto connection = open();
  ASSERT_TRUE(connection);
  LedgerAcceptance acceptance;
  ASSERT_EQ(connection->accept(77, acceptance), SQLITE_OK);
  EXPECT_TRUE(acceptance.was_needed);
  EXPECT_EQ(acceptance.given_up, (LedgerGap{.missing = 2, .is_other = true}));
  EXPECT_EQ(gap_of(*connection), std::nullopt);
  EXPECT_EQ(query(path_, "SELECT established, accepted_at FROM meta"), "1|77");
  ASSERT_EQ(change(*connection), SQLITE_OK);
  EXPECT_EQ(changes(), 1U);
  ASSERT_EQ(connection->accept(78, acceptance), SQLITE_OK);
  EXPECT_FALSE(acceptance.was_needed);
  EXPECT_EQ(query(path_, "SELECT accepted_at FROM meta"), "77");
}

// The ledger that was given up has more changes than the accepted one.
TEST_F(Witnessed, AnAcceptedLedgerIsAnother) {
  (void)open();
  const auto older = directory_.file("older.db");
  const auto newer = directory_.file("newer.db");
  std::filesystem::copy_file(path_, older);
  for (int i = 0; i < 3; ++i) ASSERT_EQ(change(*open()), SQLITE_OK);
  std::filesystem::copy_file(path_, newer);
  restore(older);
  LedgerAcceptance acceptance;
  ASSERT_EQ(open()->accept(77, acceptance), SQLITE_OK);
  ASSERT_EQ(change(*open()), SQLITE_OK);
  restore(newer);
  EXPECT_EQ(gap_of(*open()), (LedgerGap{.missing = 1, .is_other = true}));
}

TEST_F(Witnessed, ADamagedOrMissingWitnessSaysNothing) {
  ASSERT_EQ(change(*open()), SQLITE_OK);
  const auto witness = bytes_of(path_ + "-locks");
  for (const auto& damaged :
       {std::string(), witness.substr(0, 40), std::string(witness.size(), 'x'),
        std::string(witness).replace(60, 1, "9")}) {
    write(path_ + "-locks", damaged);
    EXPECT_FALSE(read_witness(path_ + "-locks")) << damaged;
    const auto connection = open();
    ASSERT_TRUE(connection);
    EXPECT_EQ(gap_of(*connection), std::nullopt);
    EXPECT_EQ(bytes_of(path_ + "-locks"), witness) << "it is written anew";
  }
}

TEST_F(Witnessed, AWitnessThatIsBehindIsBroughtUp) {
  ASSERT_EQ(change(*open()), SQLITE_OK);
  auto age = *read_witness(path_ + "-locks");
  ASSERT_EQ(change(*open()), SQLITE_OK);
  ASSERT_TRUE(write_witness(path_ + "-locks", age));
  EXPECT_EQ(gap_of(*open()), std::nullopt);
  EXPECT_EQ(changes(), 2U);
}

TEST_F(ConnectionTest, EveryNameOfTheFileHasOnePath) {
  const auto connection = open();
  std::filesystem::create_directory_symlink(directory_.path(), directory_.file("link"));
  const auto linked = open(directory_.file("link/ledger.db"));
  ASSERT_TRUE(connection && linked);
  EXPECT_EQ(linked->absolute_path(), connection->absolute_path());
  EXPECT_TRUE(connection->absolute_path().starts_with("/"));
  std::filesystem::current_path(directory_.path());
  EXPECT_EQ(open("ledger.db")->absolute_path(), connection->absolute_path());
  std::filesystem::current_path("/");
}

// --- Other users of the file ---------------------------------------------------------------------

TEST_F(ConnectionTest, ABusyFileIsNoError) {
  write_ledger(1);
  query(path_, "PRAGMA journal_mode = DELETE");
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN EXCLUSIVE", nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_EQ(why_not(path_), "it is busy");
  ASSERT_EQ(sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(other);
  EXPECT_TRUE(open());
}

// The first transaction waits long for the lock. While the lock is held, the next ones wait only
// briefly, because each of them would hold up the others.
TEST_F(ConnectionTest, OnlyTheFirstTransactionWaitsLongForALock) {
  const auto connection = open();
  ASSERT_TRUE(connection);
  const auto timeout = [&] { return std::stoi(value(*connection, "PRAGMA busy_timeout")); };
  const auto patient = timeout();
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(is_busy(connection->transact([] { return SQLITE_OK; })));
    EXPECT_LE(timeout() * 10, patient) << i;
  }
  ASSERT_EQ(sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(other);
  EXPECT_EQ(connection->transact([] { return SQLITE_OK; }), SQLITE_OK);
  EXPECT_EQ(timeout(), patient);
}

TEST_F(ConnectionTest, BusyIsNoError) {
  for (const int code : {SQLITE_BUSY, SQLITE_BUSY_SNAPSHOT, SQLITE_BUSY_RECOVERY, SQLITE_LOCKED}) {
    EXPECT_TRUE(is_busy(code)) << code;
  }
  for (const int code : {SQLITE_OK, SQLITE_FULL, SQLITE_IOERR, SQLITE_IOERR_LOCK, SQLITE_CORRUPT}) {
    EXPECT_FALSE(is_busy(code)) << code;
  }
}

TEST_F(ConnectionTest, ExplainsWithThePath) {
  const auto connection = open();
  ASSERT_TRUE(connection);
  for (const auto& [code, words] : {std::pair{SQLITE_CORRUPT_INDEX, "damaged"},
                                    {SQLITE_NOTADB, "damaged"},
                                    {SQLITE_READONLY_DBMOVED, "read-only"},
                                    {SQLITE_FULL, "full"},
                                    {SQLITE_IOERR_FSYNC, "disk I/O error"},
                                    {SQLITE_BUSY, "other processes"}}) {
    const auto error = connection->explain(code);
    EXPECT_EQ(error.code, ErrorCode::ledger);
    EXPECT_THAT(error.message, AllOf(HasSubstr(path_), HasSubstr(words))) << code;
  }
}

TEST_F(ConnectionTest, ATransactionIsAllOrNothing) {
  const auto connection = open();
  ASSERT_TRUE(connection);
  const char* insert = "INSERT INTO salt VALUES ('second')";
  EXPECT_EQ(connection->transact([&] {
    EXPECT_EQ(connection->run(insert), SQLITE_OK);
    return SQLITE_FULL;
  }),
            SQLITE_FULL);
  EXPECT_EQ(value(*connection, "SELECT count(*) FROM salt"), "1");
  EXPECT_EQ(connection->transact([&] { return connection->run(insert); }), SQLITE_OK)
      << "the transaction before it is over";
  EXPECT_EQ(query(path_, "SELECT count(*) FROM salt"), "2");
}

TEST_F(ConnectionTest, NoticesThatThePathNamesAnotherFile) {
  const auto connection = open();
  ASSERT_TRUE(connection);
  EXPECT_TRUE(connection->is_current());
  std::filesystem::rename(path_, directory_.file("moved.db"));
  EXPECT_FALSE(connection->is_current());
  write(path_, "");
  EXPECT_FALSE(connection->is_current()) << "another file has the path";
  std::filesystem::rename(directory_.file("moved.db"), path_);
  EXPECT_TRUE(connection->is_current());
}

}  // namespace
}  // namespace veo
