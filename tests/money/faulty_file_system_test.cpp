// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Tests the faulty file system itself, with SQLite alone, because the tests of the ledger rely on
// it.
#include "faulty_file_system.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>

#include "command.h"

namespace veo::test {
namespace {

namespace fs = std::filesystem;

struct Close {
  void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
};
using Database = std::unique_ptr<sqlite3, Close>;

int open(Database& database, const std::string& path, const char* vfs) {
  sqlite3* opened = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &opened,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXRESCODE, vfs);
  database.reset(opened);
  return code;
}

int run(const Database& database, const std::string& sql) {
  return sqlite3_exec(database.get(), sql.c_str(), nullptr, nullptr, nullptr);
}

std::string value(const std::string& path, const char* sql) {
  Database database;
  if (open(database, path, nullptr) != SQLITE_OK) return "cannot be opened";
  sqlite3_stmt* statement = nullptr;
  sqlite3_prepare_v2(database.get(), sql, -1, &statement, nullptr);
  const std::unique_ptr<sqlite3_stmt, decltype(&sqlite3_finalize)> owned(statement,
                                                                         sqlite3_finalize);
  if (sqlite3_step(statement) != SQLITE_ROW) return sqlite3_errmsg(database.get());
  const auto* const text = sqlite3_column_text(statement, 0);
  return text != nullptr ? reinterpret_cast<const char*>(text) : "";
}

std::string contents(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

/// What a child process did before it ended.
struct Child {
  bool killed = false;
  bool ended = false;    ///< by itself, with exit code 0
  unsigned reports = 0;  ///< calls of `report`
};

Child run_child(const FaultPlan& plan,
                const std::function<void(FaultyFileSystem&, const std::function<void()>&)>& work) {
  std::array<int, 2> pipe{};
  if (::pipe(pipe.data()) != 0) throw std::runtime_error("pipe");
  const auto pid = ::fork();
  if (pid < 0) throw std::runtime_error("fork");
  if (pid == 0) {
    ::close(pipe[0]);
    FaultyFileSystem files(plan);
    work(files, [&] {
      if (::write(pipe[1], "x", 1) != 1) std::abort();
    });
    ::_exit(0);
  }
  ::close(pipe[1]);
  Child child;
  for (char byte = 0; ::read(pipe[0], &byte, 1) == 1;) ++child.reports;
  ::close(pipe[0]);
  int status = 0;
  ::waitpid(pid, &status, 0);
  child.killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  child.ended = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  return child;
}

void expect_ok(int code) {
  if (code == SQLITE_OK) return;
  std::fprintf(stderr, "SQLite: %d\n", code);
  std::abort();
}

void write_all(FileSystem& files, int fd, const std::string& bytes) {
  if (files.pwrite(fd, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    std::abort();
  }
}

int make(FileSystem& files, const std::string& path) {
  return files.openat(AT_FDCWD, path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

/// Writes transactions of some pages each, with a checkpoint between them. Reports each commit.
void write_transactions(FaultyFileSystem& files, const std::string& path,
                        const std::function<void()>& report) {
  Database database;
  expect_ok(open(database, path, files.sqlite_vfs()));
  expect_ok(run(database,
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                "CREATE TABLE item (id INTEGER PRIMARY KEY, text TEXT)"));
  for (int i = 1; i <= 6; ++i) {
    expect_ok(run(database,
                  "BEGIN IMMEDIATE; INSERT INTO item VALUES (NULL, hex(randomblob(6000))); "
                  "UPDATE item SET text = text || 'x'; COMMIT"));
    report();
    if (i == 3) expect_ok(run(database, "PRAGMA wal_checkpoint(TRUNCATE)"));
  }
}

class PowerLoss : public testing::TestWithParam<bool> {};

TEST_P(PowerLoss, KeepsExactlyTheCommittedTransactions) {
  const bool drop_unsynced = GetParam();
  const TemporaryDirectory measured;
  unsigned steps = 0;
  {
    FaultyFileSystem files({});
    write_transactions(files, measured.file("a.db"), [] {});
    steps = static_cast<unsigned>(files.steps().size());
  }
  ASSERT_GT(steps, 12U) << "at least a sync for each commit and each checkpoint";
  for (unsigned step = 1; step <= steps; ++step) {
    for (const bool after : {false, true}) {
      SCOPED_TRACE("step " + std::to_string(step) + (after ? ", after" : ", before"));
      const TemporaryDirectory directory;
      const auto path = directory.file("a.db");
      const auto child = run_child(
          {.faults = {}, .kill = {{step, after}}, .drop_unsynced = drop_unsynced},
          [&](auto& files, const auto& report) { write_transactions(files, path, report); });
      ASSERT_TRUE(child.killed);
      ASSERT_EQ(value(path, "PRAGMA integrity_check"), "ok");
      const auto tables = value(path, "SELECT count(*) FROM sqlite_schema WHERE name = 'item'");
      const auto rows = tables == "0" ? "0" : value(path, "SELECT count(*) FROM item");
      // A commit that is on the disk but has not returned may survive or not.
      if (drop_unsynced && !after) {
        EXPECT_EQ(rows, std::to_string(child.reports));
      } else if (rows != std::to_string(child.reports)) {
        EXPECT_EQ(rows, std::to_string(child.reports + 1));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kill, PowerLoss, testing::Bool(), [](const auto& row) {
  return row.param ? "DropsUnsynced" : "KeepsUnsynced";
});

class UnsyncedCommit : public testing::TestWithParam<bool> {};

TEST_P(UnsyncedCommit, IsLostWithThePowerAlone) {
  const bool drop_unsynced = GetParam();
  const TemporaryDirectory directory;
  const auto path = directory.file("a.db");
  {
    Database database;
    ASSERT_EQ(open(database, path, nullptr), SQLITE_OK);
    ASSERT_EQ(run(database, "PRAGMA journal_mode = WAL; CREATE TABLE item (id)"), SQLITE_OK);
  }
  const auto work = [&](FaultyFileSystem& files, const std::function<void()>& report) {
    Database database;
    expect_ok(open(database, path, files.sqlite_vfs()));
    expect_ok(run(database, "PRAGMA synchronous = OFF; INSERT INTO item VALUES (1)"));
    report();
    make(files, directory.file("marker"));
  };
  // The process creates the WAL first and the marker second.
  const auto child =
      run_child({.faults = {}, .kill = {{2, false}}, .drop_unsynced = drop_unsynced}, work);
  ASSERT_TRUE(child.killed);
  ASSERT_EQ(child.reports, 1U) << "the commit did not return";
  EXPECT_EQ(value(path, "SELECT count(*) FROM item"), drop_unsynced ? "0" : "1");
  EXPECT_FALSE(fs::exists(path + "-shm") && drop_unsynced);
}

INSTANTIATE_TEST_SUITE_P(Kill, UnsyncedCommit, testing::Bool(), [](const auto& row) {
  return row.param ? "DropsUnsynced" : "KeepsUnsynced";
});

class UnsyncedFile : public testing::Test {
 protected:
  static constexpr auto power_loss = [] {
    FaultPlan plan;
    plan.drop_unsynced = true;
    return plan;
  };

  void put(const std::string& name, const std::string& bytes, bool sync) {
    const int fd = make(files_, directory_.file(name));
    ASSERT_GE(fd, 0);
    write_all(files_, fd, bytes);
    if (sync) {
      ASSERT_EQ(files_.fsync(fd), 0);
    }
    files_.close(fd);
  }
  void sync_directory(const std::string& name = ".") {
    const int fd =
        files_.openat(AT_FDCWD, directory_.file(name).c_str(), O_RDONLY | O_DIRECTORY, 0);
    ASSERT_EQ(files_.fsync(fd), 0);
    files_.close(fd);
  }
  void rename(const std::string& from, const std::string& to) {
    ASSERT_EQ(files_.renameat(AT_FDCWD, directory_.file(from).c_str(), AT_FDCWD,
                              directory_.file(to).c_str()),
              0);
  }
  void unlink(const std::string& name) {
    ASSERT_EQ(files_.unlinkat(AT_FDCWD, directory_.file(name).c_str(), 0), 0);
  }
  [[nodiscard]] bool is_there(const std::string& name) const {
    return fs::exists(directory_.file(name));
  }
  [[nodiscard]] std::string text(const std::string& name) const {
    return is_there(name) ? contents(directory_.file(name)) : "(no file)";
  }

  TemporaryDirectory directory_;
  FaultyFileSystem files_{power_loss()};
};

TEST_F(UnsyncedFile, HasNeitherNameNorBytes) {
  put("kept", "kept", true);
  put("lost", "lost", false);
  files_.lose_power();
  EXPECT_EQ(text("kept"), "kept");
  EXPECT_FALSE(is_there("lost"));
}

TEST_F(UnsyncedFile, HasItsNameAloneWhereTheDirectoryWasSynced) {
  put("file", "bytes", false);
  sync_directory();
  files_.lose_power();
  EXPECT_EQ(text("file"), "");
}

TEST_F(UnsyncedFile, KeepsItsEarlierBytes) {
  put("file", "first, and longer", true);
  put("file", "second", false);
  files_.lose_power();
  EXPECT_EQ(text("file"), "first, and longer");
}

TEST_F(UnsyncedFile, IsUnderItsOldNameUntilTheDirectoryIsSynced) {
  put("a.part", "a", true);
  put("b.part", "b", true);
  rename("a.part", "a");
  sync_directory();
  rename("b.part", "b");
  files_.lose_power();
  EXPECT_EQ(text("a"), "a");
  EXPECT_EQ(text("b"), "(no file)");
  EXPECT_EQ(text("b.part"), "b");
}

TEST_F(UnsyncedFile, DoesNotReplaceAnotherFile) {
  put("file", "old", true);
  sync_directory();
  put("part", "new", true);
  rename("part", "file");
  files_.lose_power();
  EXPECT_EQ(text("file"), "old");
  EXPECT_EQ(text("part"), "new");
}

TEST_F(UnsyncedFile, IsThereAgainAfterAnUnlink) {
  put("file", "old", true);
  put("file", "new", false);
  unlink("file");
  put("file", "newest", false);
  files_.lose_power();
  EXPECT_EQ(text("file"), "old");
  unlink("file");
  sync_directory();
  files_.lose_power();
  EXPECT_FALSE(is_there("file"));
}

TEST_F(UnsyncedFile, KeepsTheDirectoriesOfOneThatWasSynced) {
  for (const auto* const name : {"kept", "kept/in", "lost", "lost/in"}) {
    ASSERT_EQ(files_.mkdir(directory_.file(name).c_str(), 0700), 0);
  }
  put("kept/in/file", "kept", true);
  put("lost/in/file", "lost", false);
  files_.lose_power();
  EXPECT_EQ(text("kept/in/file"), "kept");
  EXPECT_FALSE(is_there("lost"));
}

/// SQLite's code for a fault within a transaction, and the state of the database after it.
struct SqliteFault {
  const char* name;
  const char* plan;
  int code;
};
void PrintTo(const SqliteFault& fault, std::ostream* out) { *out << fault.name; }

class SqliteFaults : public testing::TestWithParam<SqliteFault> {};

TEST_P(SqliteFaults, HaveTheCodeOfTheUnixVfs) {
  const TemporaryDirectory directory;
  const auto path = directory.file("a.db");
  {
    Database database;
    ASSERT_EQ(open(database, path, nullptr), SQLITE_OK);
    ASSERT_EQ(run(database, "PRAGMA journal_mode = WAL; CREATE TABLE item (id)"), SQLITE_OK);
  }
  FaultyFileSystem files(FaultPlan::parse(GetParam().plan));
  Database database;
  int code = open(database, path, files.sqlite_vfs());
  if (code == SQLITE_OK) code = run(database, "PRAGMA synchronous = FULL");
  if (code == SQLITE_OK) code = run(database, "INSERT INTO item VALUES (1)");
  EXPECT_EQ(code, GetParam().code);
  EXPECT_EQ(files.faults().empty(), std::string(GetParam().plan).empty());
  // Only one operation failed: the next transaction succeeds and finds no half-written one.
  database.reset();
  ASSERT_EQ(open(database, path, files.sqlite_vfs()), SQLITE_OK);
  EXPECT_EQ(run(database, "INSERT INTO item VALUES (2)"), SQLITE_OK);
  EXPECT_EQ(value(path, "SELECT count(*) FROM item"), code == SQLITE_OK ? "2" : "1");
  EXPECT_EQ(value(path, "PRAGMA integrity_check"), "ok");
}

const SqliteFault sqlite_faults[] = {
    {"None", "", SQLITE_OK},
    {"FullDisk", "fail=write@1:ENOSPC", SQLITE_FULL},
    {"ShortWrite", "fail=write@2:SHORT", SQLITE_FULL},
    {"WriteError", "fail=write@1:EIO", SQLITE_IOERR_WRITE},
    {"ReadError", "fail=read@1:EIO", SQLITE_IOERR_CORRUPTFS},
    {"SyncError", "fail=sync@1:EIO", SQLITE_IOERR_FSYNC},
    {"LockError", "fail=lock@1:EIO", SQLITE_IOERR_LOCK},
    {"TooManyFiles", "fail=open@1:EMFILE", SQLITE_CANTOPEN},
    {"NoMemoryToShare", "fail=open@3:ENOSPC", SQLITE_IOERR_SHMSIZE},
    {"InterruptedOpen", "fail=open@1:EINTR", SQLITE_OK},
    {"InterruptedRead", "fail=read@1:EINTR", SQLITE_OK},
    {"InterruptedWrite", "fail=write@1:EINTR", SQLITE_OK},
};

INSTANTIATE_TEST_SUITE_P(Codes, SqliteFaults, testing::ValuesIn(sqlite_faults),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(FaultyFileSystem, FailsTheSeamsOwnOperationsWithErrno) {
  const TemporaryDirectory directory;
  FaultyFileSystem files(FaultPlan::parse(
      "fail=1:EMFILE,fail=write@1:ENOSPC,fail=write@2:SHORT,fail=sync@1:EIO,fail=read@1:EINTR,"
      "fail=rename@1:EIO,fail=unlink@1:EIO,fail=mkdir@1:ENOSPC,fail=stat@1:EIO,fail=lock@1:EINTR"));
  const auto path = directory.file("file");
  EXPECT_EQ(make(files, path), -1);
  EXPECT_EQ(errno, EMFILE);
  EXPECT_FALSE(fs::exists(path));
  const int fd = make(files, path);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(files.pwrite(fd, "1234", 4, 0), -1);
  EXPECT_EQ(errno, ENOSPC);
  EXPECT_EQ(files.pwrite(fd, "1234", 4, 0), 2);
  EXPECT_EQ(files.pwrite(fd, "1234", 4, 0), 4);
  EXPECT_EQ(files.fsync(fd), -1);
  EXPECT_EQ(errno, EIO);
  char byte = 0;
  EXPECT_EQ(files.pread(fd, &byte, 1, 0), -1);
  EXPECT_EQ(errno, EINTR);
  EXPECT_EQ(files.pread(fd, &byte, 1, 0), 1);
  struct stat info {};
  EXPECT_EQ(files.fstat(fd, &info), -1);
  EXPECT_EQ(errno, EIO);
  struct flock lock {};
  lock.l_type = F_WRLCK;
  EXPECT_EQ(files.lock(fd, lock), -1);
  EXPECT_EQ(errno, EINTR);
  EXPECT_EQ(files.lock(fd, lock), 0);
  EXPECT_EQ(files.renameat(AT_FDCWD, path.c_str(), AT_FDCWD, directory.file("b").c_str()), -1);
  EXPECT_EQ(errno, EIO);
  EXPECT_EQ(files.unlinkat(AT_FDCWD, path.c_str(), 0), -1);
  EXPECT_EQ(errno, EIO);
  EXPECT_EQ(files.mkdir(directory.file("c").c_str(), 0700), -1);
  EXPECT_EQ(errno, ENOSPC);
  EXPECT_EQ(contents(path), "1234");
  EXPECT_EQ(files.faults().size(), 10U);
  EXPECT_EQ(files.operations().size(), 14U);
  EXPECT_EQ(files.steps(), std::vector<std::string>{"open file"});
  files.close(fd);
}

TEST(FaultyFileSystem, FailsFromOneOperationOnwards) {
  const TemporaryDirectory directory;
  FaultyFileSystem files(FaultPlan::parse("fail=2+:ENOSPC"));
  const int fd = make(files, directory.file("file"));
  ASSERT_GE(fd, 0);
  EXPECT_EQ(files.pwrite(fd, "1", 1, 0), -1);
  EXPECT_EQ(files.fsync(fd), -1);
  EXPECT_EQ(errno, ENOSPC);
  files.close(fd);
}

TEST(FaultyFileSystem, FailsFromOneOperationToAnother) {
  const TemporaryDirectory directory;
  FaultyFileSystem files(FaultPlan::parse("fail=2-3:EIO"));
  const int fd = make(files, directory.file("file"));
  ASSERT_GE(fd, 0);
  EXPECT_EQ(files.pwrite(fd, "1", 1, 0), -1);
  EXPECT_EQ(files.fsync(fd), -1);
  EXPECT_EQ(files.fsync(fd), 0);
  files.close(fd);
}

TEST(FaultyFileSystem, InterruptsOnlyBlockingOperations) {
  const TemporaryDirectory directory;
  FaultyFileSystem files(FaultPlan::parse("fail=1-2:EINTR"));
  EXPECT_EQ(files.mkdir(directory.file("made").c_str(), 0700), 0);
  EXPECT_EQ(make(files, directory.file("file")), -1);
  EXPECT_EQ(errno, EINTR);
}

TEST(FaultPlan, RefusesAnInvalidPlan) {
  for (const auto* const text :
       {"fail=0:EIO", "fail=1", "fail=1:EPERM", "fail=chmod@1:EIO", "fail=1+:EINTR",
        "kill-before=x", "kill-before", "drop", "count,,"}) {
    EXPECT_THROW(FaultPlan::parse(text), std::invalid_argument) << text;
  }
  EXPECT_NO_THROW(FaultPlan::parse("count"));
}

}  // namespace
}  // namespace veo::test
