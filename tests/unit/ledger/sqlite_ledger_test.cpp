// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How SQLite executes the ledger's statements: which index each one uses, and what happens on
// damaged pages.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "command.h"
#include "ledger_rows.h"
#include "rows.h"
#include "veo/ledger/ledger.h"
#include "veo/system/guarded.h"

namespace veo {
namespace {

using enum RecordState;
using namespace std::chrono_literals;
using test::a_claim;
using test::bytes_of;
using test::kind_of;
using test::leave_row;
using test::noon;
using test::query;
using test::reservation_of;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// The statements that were run. Each has the largest number of SQLite's machine steps that it
/// took.
using Statements = std::map<std::string, int>;

/// Records the statements of each connection that is opened from here on.
class Listener {
 public:
  Listener() { sqlite3_auto_extension(reinterpret_cast<void (*)()>(&Listener::on_open)); }
  ~Listener() { sqlite3_cancel_auto_extension(reinterpret_cast<void (*)()>(&Listener::on_open)); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  static Statements take() { return std::exchange(*heard().lock(), {}); }

 private:
  static Guarded<Statements>& heard() {
    static auto* const instance = new Guarded<Statements>;
    return *instance;
  }
  static int on_open(sqlite3* database, char** /*error*/, const void* /*api*/) {
    return sqlite3_trace_v2(database, SQLITE_TRACE_PROFILE, &Listener::on_end, nullptr);
  }
  static int on_end(unsigned /*event*/, void* /*context*/, void* ended, void* /*time*/) {
    auto* const statement = static_cast<sqlite3_stmt*>(ended);
    auto statements = heard().lock();
    auto& steps = (*statements)[sqlite3_sql(statement)];
    steps = std::max(steps, sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_VM_STEP, 0));
    return 0;
  }
};

Claim budgeted(const std::string& intent) {
  auto claim = a_claim(intent);
  claim.record.by_uri = true;
  claim.daily_budget = 100'000;
  claim.uri_budget = 100'000;
  return claim;
}

/// Runs every operation of the ledger, and every path in them that has statements of its own.
void do_everything(const std::string& path) {
  const auto opened = test::open_ledger(path);
  auto& ledger = *opened;
  const auto done = leave_row(ledger, budgeted("done"), completed);
  leave_row(ledger, budgeted("failed"), failed);
  leave_row(ledger, budgeted("lost"), unknown);
  auto again = budgeted("lost");
  again.resubmit = true;
  leave_row(ledger, again, sending);
  EXPECT_EQ(kind_of(ledger.claim(budgeted("done"), noon)).substr(0, 9), "completed");
  EXPECT_EQ(kind_of(ledger.claim(budgeted("lost"), noon)), "submit-unknown");
  EXPECT_TRUE(ledger.find("done", ""));
  EXPECT_TRUE(ledger.has_intent("done"));
  auto task = a_claim("").record;
  task.task_id = "X";
  const auto named = ledger.find_task(task);
  ASSERT_TRUE(named && *named);
  EXPECT_TRUE(ledger.confirm("", **named, noon));
  EXPECT_TRUE(ledger.confirm("lost", **named, noon));
  EXPECT_TRUE(ledger.find_age(**named, noon));
  const CachedClip clip{.identity = {.api_url = task.api_url, .task_id = "Y", .intent = "restored"},
                        .sha256 = "a",
                        .size = 1,
                        .path = "/b"};
  EXPECT_TRUE(ledger.restore(reservation_of(ledger.claim(a_claim("restored"), noon)), clip, noon));
  EXPECT_TRUE(ledger.keep(done, clip));
  EXPECT_TRUE(ledger.get(done));
  EXPECT_TRUE(ledger.generation_times(task));
  EXPECT_TRUE(ledger.find_gap());
  EXPECT_TRUE(ledger.is_established());
  EXPECT_TRUE(ledger.accept(noon));
  leave_row(ledger, budgeted("left behind"), sending);
  for (const auto& asked :
       {HistoryQuery{.limit = 10}, HistoryQuery{.since = noon, .limit = 10},
        HistoryQuery{.states = {completed}, .limit = 10},
        HistoryQuery{.states = {failed, unknown, completed},
        .since = noon,
        .limit = 10,
        .after = 1'000'000'000},
        HistoryQuery{.task_id = "X", .limit = 1}, HistoryQuery{.states = {failed}, .task_id = "X"},
        HistoryQuery{.limit = 10, .after = 1'000'000'000}}) {
    const auto rows = ledger.history(asked);
    EXPECT_TRUE(rows && *rows);
  }
}

class SqliteLedgerTest : public testing::Test {
 protected:
  // The next test may fork.
  void TearDown() override { test::wait_for_checkpoints(); }

  const test::TemporaryDirectory directory_;
  const std::string path_ = directory_.file("ledger.db");
};

TEST_F(SqliteLedgerTest, NoStatementLooksAtEveryRow) {
  // A migration may look at every row.
  (void)test::open_ledger(directory_.path() + "/./ledger.db");
  const Listener listener;
  do_everything(path_);
  const auto statements = Listener::take();
  int looked_at = 0;
  for (const auto& [sql, steps] : statements) {
    if (!sql.starts_with("SELECT") && !sql.starts_with("UPDATE") && !sql.starts_with("DELETE")) {
      continue;
    }
    if (sql.find("submission") == std::string::npos) continue;
    ++looked_at;
    EXPECT_THAT(query(path_, "EXPLAIN QUERY PLAN " + sql),
                AllOf(HasSubstr("SEARCH submission"), Not(HasSubstr("SCAN submission"))))
        << sql;
  }
  EXPECT_GT(looked_at, 15) << "the listener heard too few statements";
}

// Compare the numbers of steps, not times: the numbers are the same on every machine.
TEST_F(SqliteLedgerTest, NoStatementTakesLongerInALongHistory) {
  const Listener listener;
  do_everything(path_);
  const auto few = Listener::take();
  const auto long_path = directory_.file("long.db");
  (void)test::open_ledger(long_path);
  query(long_path, test::insert_tasks(200'000));
  Listener::take();
  do_everything(long_path);
  const auto many = Listener::take();
  int compared = 0;
  for (const auto& [sql, steps] : many) {
    const auto before = few.find(sql);
    if (before == few.end()) continue;
    ++compared;
    // A statement that shows rows or learns from them reads at most 50 rows of 30 columns.
    constexpr int of_what_is_shown = 2'500;
    EXPECT_LT(steps, before->second + of_what_is_shown) << sql;
  }
  EXPECT_GT(compared, 20);
}

// --- Damage ----------------------------------------------------------------------------------

constexpr std::size_t page_size = 4096;

/// Overwrites a page of the file, as a failing disk does, while others have the file open.
void write_page(const std::string& path, std::size_t page, const std::string& bytes) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>((page - 1) * page_size));
  file << bytes;
}

class Damaged : public SqliteLedgerTest {
 protected:
  Damaged() {
    (void)test::open_ledger(path_);
    query(path_, test::insert_tasks(500));
    leave_row(*test::open_ledger(path_), a_claim("lost"), unknown);
    query(path_, "PRAGMA wal_checkpoint(TRUNCATE)");
    whole_ = bytes_of(path_);
  }
  /// Makes a copy of the ledger with one damaged page. Returns its path.
  std::string copy_with_damage(std::size_t page) {
    auto path = directory_.file("page-" + std::to_string(page) + ".db");
    auto bytes = whole_;
    bytes.replace((page - 1) * page_size, page_size, page_size, '\xff');
    std::ofstream(path, std::ios::binary) << bytes;
    std::filesystem::permissions(
        path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    return path;
  }
  void repair(const std::string& path, std::size_t page) const {
    write_page(path, page, whole_.substr((page - 1) * page_size, page_size));
  }

  std::string whole_;
};

Claim resubmitting_lost() {
  auto claim = a_claim("lost");
  claim.resubmit = true;
  claim.daily_budget = 100'000;
  return claim;
}

/// Returns the outcome of a claim: kind_of(), or the message of an error with the code `ledger`.
std::string claim_in(const std::string& path) {
  const auto opened = Ledger::open(path);
  if (!opened) return opened.error().message;
  const auto found = (*opened)->claim(resubmitting_lost(), noon);
  if (!found && found.error().code == ErrorCode::ledger) return found.error().message;
  return kind_of(found);
}

TEST_F(Damaged, EachDamagedPageIsReportedOrDoesNotMatter) {
  int met = 0;
  int passed = 0;
  for (std::size_t page = 2; page <= whole_.size() / page_size; ++page) {
    const auto path = copy_with_damage(page);
    const auto became = claim_in(path);
    repair(path, page);
    const auto rows = query(path, "SELECT state FROM submission WHERE intent = 'lost' ORDER BY id");
    if (became == "reservation") {
      ++passed;
      EXPECT_EQ(rows, "superseded\nreserved") << page;
    } else {
      ++met;
      EXPECT_THAT(became, AllOf(HasSubstr(path), HasSubstr("damaged"),
                                HasSubstr("Nothing is submitted without a record")))
          << page;
      EXPECT_EQ(rows, "unknown") << page;
    }
  }
  EXPECT_GT(met, 5);
  EXPECT_GT(passed, 5) << "damage elsewhere does not hinder a claim";
}

// The damage is found after the claim has begun to write. The claim must leave neither of its two
// rows.
TEST_F(Damaged, DamageInTheMiddleOfAClaimLeavesNoRow) {
  // This index finds tasks. A claim uses it only when it inserts the new row.
  const auto page =
      std::stoul(query(path_, "SELECT rootpage FROM sqlite_schema WHERE name = 'submission_task'"));
  const auto path = copy_with_damage(page);
  EXPECT_THAT(claim_in(path), HasSubstr("damaged"));
  repair(path, page);
  EXPECT_EQ(query(path, "SELECT state FROM submission WHERE intent = 'lost'"), "unknown");
  EXPECT_EQ(query(path, "SELECT count(*) FROM submission"), "501");
  EXPECT_EQ(query(path, "PRAGMA integrity_check"), "ok");
  const auto other_connection = directory_.path() + "/./page-" + std::to_string(page) + ".db";
  EXPECT_EQ(claim_in(other_connection), "reservation") << "the repaired file works again";
}

}  // namespace
}  // namespace veo
