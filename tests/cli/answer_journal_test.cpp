// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The service has accepted a submission, and the ledger cannot record that: another program locks
// it, its disk is full, it has gone. The task id must reach a disk, this run must go on, and the
// next run must play the task without another charge.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

#include "shell.h"

namespace veo::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

/// A write transaction of another program, from the constructor to release().
class ForeignWriteLock {
 public:
  explicit ForeignWriteLock(const std::string& path) {
    std::array<int, 2> begun{};
    std::array<int, 2> ended{};
    if (::pipe(begun.data()) != 0 || ::pipe(ended.data()) != 0) throw std::runtime_error("pipe");
    pid_ = ::fork();
    if (pid_ == 0) {
      ::close(ended[1]);
      hold(path, begun[1], ended[0]);
    }
    ::close(begun[1]);
    ::close(ended[0]);
    end_ = ended[1];
    char byte = 0;
    const auto count = ::read(begun[0], &byte, 1);
    ::close(begun[0]);
    if (count != 1) throw std::runtime_error("another program could not lock " + path);
  }
  ~ForeignWriteLock() { release(); }
  ForeignWriteLock(const ForeignWriteLock&) = delete;
  ForeignWriteLock& operator=(const ForeignWriteLock&) = delete;

  void release() {
    if (end_ < 0) return;
    ::close(end_);
    end_ = -1;
    ::waitpid(pid_, nullptr, 0);
  }

 private:
  [[noreturn]] static void hold(const std::string& path, int begun, int end) {
    sqlite3* database = nullptr;
    const bool is_open = sqlite3_open(path.c_str(), &database) == SQLITE_OK;
    sqlite3_busy_timeout(database, 10'000);
    if (!is_open ||
        sqlite3_exec(database, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) != SQLITE_OK ||
        ::write(begun, "x", 1) != 1) {
      ::_exit(1);
    }
    char byte = 0;
    while (::read(end, &byte, 1) > 0) {
    }
    sqlite3_exec(database, "ROLLBACK", nullptr, nullptr, nullptr);
    sqlite3_close(database);
    ::_exit(0);
  }

  pid_t pid_ = -1;
  int end_ = -1;
};

int count(const Simulator& simulator, const char* what) {
  return simulator.state().at(what).get<int>();
}

/// Returns the id of the newest task; "none" if there is none.
std::string last_task(const Simulator& simulator) {
  const auto tasks = simulator.state().at("tasks");
  return tasks.empty() ? "none" : tasks.back().at("id").get<std::string>();
}

/// A line whose ledger exists. The answer to its submission comes late.
class LateAnswer : public testing::Test {
 protected:
  explicit LateAnswer(const std::string& generation_time = "0s")
      : simulator_(start_simulator(generation_time)), shell_(simulator_) {
    std::filesystem::create_directory(shell_.file("state"));
    fs::permissions(shell_.file("state"), fs::perms::owner_all);
    // This makes the ledger, and costs nothing.
    EXPECT_EQ(run({"download", "no-such-task", "-o", "none.mp4"}).exit_code, 5);
    simulator_.set_faults({"submit:delay=700ms"});
  }

  [[nodiscard]] std::string ledger() const { return shell_.file("state/ledger.db"); }
  [[nodiscard]] std::string journal() const { return ledger() + "-journal-answers"; }
  [[nodiscard]] std::string cache() const { return shell_.file("cache"); }

  [[nodiscard]] Program::Settings settings(const std::vector<std::string>& args) const {
    auto made = shell_.settings(args);
    made.env["VEO_LEDGER"] = ledger();
    made.env["VEO_CACHE_DIR"] = cache();
    return made;
  }
  [[nodiscard]] Program::Ended run(const std::vector<std::string>& args) const {
    return Program(settings(args)).wait();
  }
  [[nodiscard]] Program::Settings line() const {
    return settings({"generate", "a dog", "-o", "dog.mp4"});
  }
  /// Waits until the service has the submission, and so the row is `sending`.
  void await_submission() const {
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    while (count(simulator_, "submissions") == 0) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      std::this_thread::yield();
    }
  }
  /// Returns `state task` of the newest row that is not a foreign one.
  [[nodiscard]] std::string row() const {
    sqlite3* raw = nullptr;
    std::string text;
    if (sqlite3_open_v2(ledger().c_str(), &raw, SQLITE_OPEN_READONLY, nullptr) == SQLITE_OK) {
      sqlite3_exec(
          raw, "SELECT state || ' ' || task_id FROM submission WHERE intent <> '' ORDER BY id",
          [](void* into, int, char** values, char**) {
            *static_cast<std::string*>(into) = values[0];
            return 0;
          },
          &text, nullptr);
    }
    sqlite3_close(raw);
    return text;
  }
  void expect_one_charge_and_a_clip() const {
    EXPECT_EQ(count(simulator_, "charges"), 1);
    EXPECT_EQ(count(simulator_, "submissions"), 1);
    EXPECT_THAT(shell_.files(), testing::Contains("dog.mp4"));
  }
  /// Runs the line again: it plays, and costs nothing.
  void expect_the_rerun_to_be_free() const {
    fs::remove(shell_.file("dog.mp4"));
    const auto again = Program(line()).wait();
    EXPECT_EQ(again.exit_code, 0) << again;
    expect_one_charge_and_a_clip();
    EXPECT_EQ(row(), "completed " + last_task(simulator_));
  }
  [[nodiscard]] bool is_journal_empty() const {
    return !fs::exists(journal()) || fs::file_size(journal()) == 0;
  }

  Simulator simulator_;
  const Shell shell_;
};

TEST_F(LateAnswer, OfALockedLedgerIsInTheJournalAndTheRunGoesOn) {
  Program running(line());
  await_submission();
  ForeignWriteLock lock(ledger());
  const auto ended = running.wait();
  EXPECT_EQ(ended.exit_code, 0) << ended;
  EXPECT_THAT(ended.errors, HasSubstr(journal()));
  EXPECT_THAT(ended.errors, HasSubstr(last_task(simulator_)));
  expect_one_charge_and_a_clip();
  EXPECT_EQ(row(), "sending ") << "the lock has hindered nothing";
  lock.release();
  expect_the_rerun_to_be_free();
  EXPECT_TRUE(is_journal_empty());
}

TEST_F(LateAnswer, SurvivesAKillWhileTheLedgerIsLocked) {
  simulator_.set_faults({"submit:delay=700ms", "query:stall"});
  Program running(line());
  await_submission();
  ForeignWriteLock lock(ledger());
  ASSERT_TRUE(running.wait_for("journal-answers"));
  running.kill(SIGKILL);
  ASSERT_EQ(running.wait().signal, SIGKILL);
  simulator_.set_faults({});
  lock.release();
  expect_the_rerun_to_be_free();
  EXPECT_TRUE(is_journal_empty());
}

// The last resort: the id is on standard error, and no other message says something else.
TEST_F(LateAnswer, ThatNoDiskTakesIsToldWithItsTaskId) {
  Program running(line());
  await_submission();
  ForeignWriteLock lock(ledger());
  fs::remove(journal());
  fs::create_directory(journal());
  fs::remove_all(cache());
  std::ofstream(cache()) << "no directory";
  const auto ended = running.wait();
  EXPECT_EQ(ended.exit_code, 9) << ended;
  EXPECT_THAT(ended.errors, HasSubstr("task-id=" + last_task(simulator_)));
  EXPECT_THAT(ended.errors, HasSubstr("is on no disk"));
  EXPECT_THAT(ended.errors, Not(HasSubstr("is safe in")));
  EXPECT_THAT(ended.errors, Not(HasSubstr("no answer")));
  EXPECT_EQ(count(simulator_, "charges"), 1);
  EXPECT_EQ(count(simulator_, "queries"), 1) << "only the question for the task that is not there";
}

TEST_F(LateAnswer, IsNotAskedForWithALedgerOfAnUnknownKind) {
  for (const char* const run_kind : {"--dry-run", "--retries=0"}) {
    const auto ended =
        run({"generate", "a dog", "--ledger=postgresql://me:secret@host/db", run_kind});
    EXPECT_EQ(ended.exit_code, 9) << ended;
    EXPECT_THAT(ended.errors, testing::AllOf(HasSubstr("postgresql://"), Not(HasSubstr("secret"))));
  }
  EXPECT_EQ(count(simulator_, "submissions"), 0);
}

class LateRefusal : public LateAnswer, public testing::WithParamInterface<const char*> {};

// The ledger says `sending`. Without the journal the next run would not know that nothing is paid.
TEST_P(LateRefusal, OfALockedLedgerDoesNotBecomeUnknown) {
  simulator_.set_faults({std::string("submit:delay=700ms,error=") + GetParam()});
  auto refused = line();
  refused.args.emplace_back("--retries=0");
  Program running(refused);
  await_submission();
  ForeignWriteLock lock(ledger());
  const auto ended = running.wait();
  EXPECT_THAT(ended.exit_code, testing::AnyOf(4, 6)) << ended;
  EXPECT_EQ(row(), "sending ") << "the lock has hindered nothing";
  lock.release();
  simulator_.set_faults({});
  const auto again = Program(line()).wait();
  EXPECT_EQ(again.exit_code, 0) << again;
  EXPECT_EQ(count(simulator_, "charges"), 1);
  EXPECT_EQ(row(), "completed " + last_task(simulator_));
}

INSTANTIATE_TEST_SUITE_P(Kinds, LateRefusal,
                         testing::Values("insufficient_credits", "rate_limit_exceeded"),
                         [](const auto& row) { return std::string(row.param); });

// Nobody knows whether the submission was accepted, and the ledger has gone.
TEST_F(LateAnswer, ThatIsUnknownIsNotPaidAgainWithANewLedger) {
  simulator_.set_faults({"submit:delay=700ms", "submit:no-task-id"});
  Program running(line());
  await_submission();
  fs::remove(ledger());
  EXPECT_EQ(running.wait().exit_code, 8);
  const auto charges = count(simulator_, "charges");
  const auto again = Program(line()).wait();
  EXPECT_EQ(again.exit_code, 8) << again;
  EXPECT_EQ(count(simulator_, "submissions"), 1);
  EXPECT_EQ(count(simulator_, "charges"), charges);
}

class LongGeneration : public LateAnswer {
 protected:
  LongGeneration() : LateAnswer("14s") {}
};

TEST_F(LongGeneration, IsRecordedByTheSameProcessAfterALockOfTwelveSeconds) {
  Program running(line());
  await_submission();
  ForeignWriteLock lock(ledger());
  // Nothing else is written to this pipe, so the poll ends after 12 s.
  std::array<int, 2> nothing{};
  ASSERT_EQ(::pipe(nothing.data()), 0);
  pollfd wait{.fd = nothing[0], .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&wait, 1, 12'000), 0);
  EXPECT_FALSE(running.has_ended());
  lock.release();
  const auto ended = running.wait();
  EXPECT_EQ(ended.exit_code, 0) << ended;
  expect_one_charge_and_a_clip();
  EXPECT_EQ(row(), "completed " + last_task(simulator_));
  EXPECT_EQ(fs::file_size(journal()), 0U);
  ::close(nothing[0]);
  ::close(nothing[1]);
}

struct Loss {
  const char* name;
  std::function<void(const std::string& state)> lose;
};
void PrintTo(const Loss& loss, std::ostream* out) { *out << loss.name; }

class LostLedger : public LateAnswer, public testing::WithParamInterface<Loss> {};

TEST_P(LostLedger, IsMadeAnewFromTheAnswer) {
  Program running(line());
  await_submission();
  GetParam().lose(shell_.file("state"));
  const auto ended = running.wait();
  EXPECT_EQ(ended.exit_code, 0) << ended;
  EXPECT_THAT(ended.errors, Not(HasSubstr("is on no disk")));
  expect_one_charge_and_a_clip();
  // The cache knows the clip, too. Without the cache only the answer is left.
  for (const auto& file : fs::directory_iterator(cache())) {
    if (file.path().filename() != "journal-answers") fs::remove_all(file.path());
  }
  // The answer stays in the journal, because the lost ledger may come back.
  expect_the_rerun_to_be_free();
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, LostLedger,
    testing::Values(Loss{"TheFileIsRemoved",
                         [](const auto& state) { fs::remove(state + "/ledger.db"); }},
                    Loss{"AllFilesAreRemoved",
                         [](const auto& state) {
                           for (const auto& file : fs::directory_iterator(state)) {
                             fs::remove(file.path());
                           }
                         }},
                    Loss{"TheDirectoryIsRemoved", [](const auto& state) { fs::remove_all(state); }},
                    Loss{"TheDirectoryIsMovedAway",
                         [](const auto& state) { fs::rename(state, state + ".old"); }}),
    [](const auto& row) { return std::string(row.param.name); });

/// Runs the line where `limit` ends its writes at some moment, and again where nothing does.
/// `script` has both runs, and prints `first CODE` and `second CODE`.
void expect_no_loss(const std::string& what, const std::string& script, int& sent, int& unsent) {
  SCOPED_TRACE(what);
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  const auto ended = shell.sh(script);
  if (ended.output.find("first ") == std::string::npos) {
    ADD_FAILURE() << "the first run did not end: " << ended;
    return;
  }
  EXPECT_THAT(ended.output, HasSubstr("second 0")) << ended;
  EXPECT_THAT(ended.errors, Not(HasSubstr("submit-unknown"))) << ended;
  EXPECT_EQ(count(simulator, "charges"), 1) << ended;
  EXPECT_EQ(count(simulator, "submissions"), 1) << ended;
  const bool was_sent = ended.output.find("charges 1\nfirst") != std::string::npos;
  ++(was_sent ? sent : unsent);
}

const std::string read_charges =
    R"(charges() { curl -s "${VEO_API_URL%/v1}/simulator/state" |
         grep -o '"charges": *[0-9]*' | head -1 | sed 's/[^0-9]*/charges /'; }; )";

TEST(FullDisk, LosesNoAnswerAtAnySize) {
  const TemporaryDirectory home;
  const auto probe = "unshare -rm mount -t tmpfs -o size=1m none " + home.path();
  if (std::system((probe + " 2>/dev/null").c_str()) != 0) {
    GTEST_SKIP() << "this machine allows no mounts in a namespace";
  }
  int sent = 0;
  int unsent = 0;
  for (int left = 16; left <= 240; left += 16) {
    const auto kilobytes = std::to_string(left);
    const auto script = read_charges + "export -f charges veo; export LEFT=" + kilobytes +
                        " DISK=" + home.path() +
                        R"X(; unshare -rm bash -c '
        mount -t tmpfs -o size=1m none $DISK
        export VEO_LEDGER=$DISK/state/ledger.db VEO_CACHE_DIR=$DISK/cache
        veo download no-such-task -o none.mp4 2>/dev/null
        free=$(df -k --output=avail $DISK | tail -1)
        head -c $(( (free - LEFT) * 1024 )) /dev/zero >$DISK/fill
        veo generate "a dog" -o - >/dev/null; code=$?
        charges; echo first $code
        rm $DISK/fill
        veo generate "a dog" -o - >/dev/null; echo second $?')X";
    expect_no_loss(kilobytes + " KiB are left", script, sent, unsent);
  }
  std::printf("  %d runs were sent, %d were not\n", sent, unsent);
  EXPECT_GT(sent, 0);
  EXPECT_GT(unsent, 0);
}

TEST(FileSizeLimit, LosesNoAnswerAtAnySize) {
  int sent = 0;
  int unsent = 0;
  for (int limit = 8; limit <= 160; limit += 8) {
    const auto kilobytes = std::to_string(limit);
    const auto script =
        read_charges +
        R"(veo download no-such-task -o none.mp4 2>/dev/null;
        { (ulimit -f )" +
        kilobytes +
        R"(; veo generate "a dog" -o -; echo "first $?" >&3) | cat >/dev/null; } 3>&1 |
          { read line; charges; echo "$line"; };
        veo generate "a dog" -o - >/dev/null; echo second $?)";
    expect_no_loss(kilobytes + " KiB may be written", script, sent, unsent);
  }
  std::printf("  %d runs were sent, %d were not\n", sent, unsent);
  EXPECT_GT(sent, 0);
}

}  // namespace
}  // namespace veo::test
