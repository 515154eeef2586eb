// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Copies of the ledger, and ledgers that are older than they were. Real processes pay at the
// simulator, which counts the charges.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "shell.h"

namespace veo::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// A shell whose ledger and cache the test names.
class Store {
 public:
  explicit Store(const Shell& shell) : shell_(shell), ledger_(shell.ledger()) {}

  void use_ledger(const std::string& path) { ledger_ = path; }
  void use_cache(const std::string& path) { cache_ = path; }

  [[nodiscard]] Program::Ended veo(const std::vector<std::string>& args) const {
    auto settings = shell_.settings(args);
    settings.env["VEO_LEDGER"] = ledger_;
    if (!cache_.empty()) settings.env["VEO_CACHE_DIR"] = cache_;
    return Program(settings).wait();
  }
  [[nodiscard]] Program::Ended generate(const std::string& prompt) const {
    return veo({"generate", prompt, "-o", "-", "--json"});
  }

 private:
  const Shell& shell_;
  std::string ledger_;
  std::string cache_;
};

class LedgerFile : public testing::Test {
 protected:
  [[nodiscard]] int charges() const { return simulator_.state().at("charges").get<int>(); }
  [[nodiscard]] std::string cache() const {
    return fs::path(shell_.ledger()).parent_path().string() + "/cache";
  }
  void remove(std::initializer_list<const char*> companions) const {
    for (const char* companion : companions) fs::remove(shell_.ledger() + companion);
  }
  void pay(const std::string& prompt) const {
    const auto paid = store_.generate(prompt);
    ASSERT_EQ(paid.exit_code, 0) << paid.errors;
  }
  /// Puts the file in the ledger's place, as a user does.
  void restore(const std::string& copy) const {
    fs::copy_file(copy, shell_.ledger(), fs::copy_options::overwrite_existing);
  }
  /// Whether the line is refused as it must be if the ledger lacks changes.
  void expect_refused(const std::string& prompt, const std::string& words) const {
    const auto before = charges();
    const auto submissions = simulator_.state().at("submissions");
    const auto refused = store_.generate(prompt);
    EXPECT_EQ(refused.exit_code, 9) << refused.errors;
    const auto error = last_event(refused.errors + refused.output, "error");
    ASSERT_FALSE(error.is_null()) << refused.errors << refused.output;
    EXPECT_EQ(error.at("code"), "ledger");
    EXPECT_EQ(error.at("charged"), "no");
    EXPECT_THAT(error.at("message").get<std::string>(),
                AllOf(HasSubstr(words), HasSubstr("Nothing was sent, and nothing is paid."),
                      HasSubstr("veo ledger accept --ledger=" + shell_.ledger())));
    EXPECT_EQ(charges(), before);
    EXPECT_EQ(simulator_.state().at("submissions"), submissions);
  }

  const Simulator simulator_ = start_simulator("0s");
  const Shell shell_{simulator_};
  Store store_{shell_};
  const TemporaryDirectory elsewhere_;
};

TEST_F(LedgerFile, ACopyOfTheMainFileAloneHasAllTasks) {
  constexpr int count = 20;
  for (int i = 0; i < count; ++i) pay("dog " + std::to_string(i));
  ASSERT_EQ(charges(), count);
  fs::copy_file(shell_.ledger(), elsewhere_.file("ledger.db"));
  Store other(shell_);
  other.use_ledger(elsewhere_.file("ledger.db"));
  other.use_cache(elsewhere_.file("cache"));  // the clips are downloaded again, which is free
  for (int i = 0; i < count; ++i) {
    const auto again = other.generate("dog " + std::to_string(i));
    EXPECT_EQ(again.exit_code, 0) << again.errors;
  }
  EXPECT_EQ(charges(), count);
  EXPECT_EQ(json_lines(other.veo({"history", "--json"}).output).size(), count + 1U);
}

TEST_F(LedgerFile, TheMainFileIsCompleteAfterEachProcess) {
  pay("a dog");
  EXPECT_EQ(fs::file_size(shell_.ledger() + "-wal"), 0U);
  remove({"-wal", "-shm"});
  pay("a dog");
  EXPECT_EQ(charges(), 1);
}

TEST_F(LedgerFile, IsCopiedToANewFileOfItsOwn) {
  pay("a dog");
  pay("a cat");
  const auto copy = elsewhere_.file("copy.db");
  const auto made = store_.veo({"ledger", "backup", copy});
  EXPECT_EQ(made.exit_code, 0) << made.errors;
  EXPECT_EQ(made.output,
            "Copied 2 rows with 2 tasks from " + shell_.ledger() + " to " + copy + ".\n");
  struct stat info {};
  ASSERT_EQ(::stat(copy.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0600U);
  std::size_t files = 0;
  for (const auto& entry : fs::directory_iterator(elsewhere_.path())) files += entry.exists();
  EXPECT_EQ(files, 1U) << "the copy has companions";
  Store other(shell_);
  other.use_ledger(copy);
  other.use_cache(elsewhere_.file("cache"));
  EXPECT_EQ(other.generate("a dog").exit_code, 0);
  EXPECT_EQ(other.generate("a cat").exit_code, 0);
  EXPECT_EQ(charges(), 2);
}

TEST_F(LedgerFile, ACopyNeverReplacesAFile) {
  pay("a dog");
  const auto file = elsewhere_.file("file");
  std::ofstream(file) << "mine";
  const auto refused = store_.veo({"ledger", "backup", file, "--json"});
  EXPECT_EQ(refused.exit_code, 2) << refused.errors;
  std::string text;
  std::getline(std::ifstream(file), text);
  EXPECT_EQ(text, "mine");
}

TEST_F(LedgerFile, IsCopiedWhileAnotherProcessWrites) {
  pay("a dog");
  sqlite3* raw = nullptr;
  ASSERT_EQ(sqlite3_open(shell_.ledger().c_str(), &raw), SQLITE_OK);
  const std::unique_ptr<sqlite3, decltype(&sqlite3_close)> other(raw, &sqlite3_close);
  ASSERT_EQ(sqlite3_exec(raw, "BEGIN IMMEDIATE; UPDATE submission SET prompt = 'half'", nullptr,
                         nullptr, nullptr),
            SQLITE_OK);
  const auto made = store_.veo({"ledger", "backup", elsewhere_.file("copy.db"), "--json"});
  EXPECT_EQ(made.exit_code, 0) << made.errors;
  const auto event = last_event(made.output, "backup");
  EXPECT_EQ(event.at("rows"), 1);
  EXPECT_EQ(event.at("tasks"), 1);
  Store copy(shell_);
  copy.use_ledger(elsewhere_.file("copy.db"));
  EXPECT_EQ(last_event(copy.veo({"history", "--json"}).output, "record").at("prompt"), "a dog");
}

TEST_F(LedgerFile, OfNothingIsNotCopied) {
  const auto refused = store_.veo({"ledger", "backup", elsewhere_.file("copy.db")});
  EXPECT_EQ(refused.exit_code, 9);
  EXPECT_THAT(refused.errors, HasSubstr("There is no ledger"));
  EXPECT_FALSE(fs::exists(shell_.ledger()));
}

// --- A ledger that lacks what was recorded -------------------------------------------------------

TEST_F(LedgerFile, AnOlderCopySubmitsNothingUntilTheUserSaysSo) {
  pay("a dog");
  const auto copy = elsewhere_.file("copy.db");
  fs::copy_file(shell_.ledger(), copy);
  pay("a cat");
  restore(copy);
  fs::remove_all(cache());
  expect_refused("a cat", "is older than its last use");
  // What the copy knows still plays, with a word.
  const auto known = store_.generate("a dog");
  EXPECT_EQ(known.exit_code, 0);
  EXPECT_THAT(known.errors + known.output, HasSubstr("is older than its last use"));
  const auto history = store_.veo({"history"});
  EXPECT_EQ(history.exit_code, 0);
  EXPECT_THAT(history.output, HasSubstr("a dog"));
  EXPECT_THAT(history.errors, HasSubstr("is older than its last use"));
  expect_refused("a cat", "is older than its last use");  // the changes since then close no gap

  const auto accepted = store_.veo({"ledger", "accept"});
  EXPECT_EQ(accepted.exit_code, 0) << accepted.errors;
  EXPECT_THAT(accepted.output, AllOf(HasSubstr("is accepted as it is"), HasSubstr("given up")));
  pay("a cat");
  EXPECT_EQ(charges(), 3);
  EXPECT_THAT(store_.veo({"ledger", "accept"}).output, HasSubstr("lacks nothing"));
}

TEST_F(LedgerFile, TheNewestCopyEndsTheRefusal) {
  pay("a dog");
  const auto older = elsewhere_.file("older.db");
  fs::copy_file(shell_.ledger(), older);
  pay("a cat");
  const auto newest = elsewhere_.file("newest.db");
  ASSERT_EQ(store_.veo({"ledger", "backup", newest}).exit_code, 0);
  restore(older);
  expect_refused("a fish", "is older than its last use");
  restore(newest);
  pay("a cat");
  pay("a fish");
  EXPECT_EQ(charges(), 3);
}

TEST_F(LedgerFile, ARemovedLedgerSubmitsNothingUntilTheUserSaysSo) {
  pay("a dog");
  remove({"", "-wal", "-shm"});
  expect_refused("a cat", "is not the ledger that was used here before");
  expect_refused("a cat", "is not the ledger that was used here before");
  pay("a dog");  // from the cache
  EXPECT_EQ(charges(), 1);
  expect_refused("a cat", "is not the ledger that was used here before");
  EXPECT_EQ(store_.veo({"ledger", "accept", "--quiet"}).exit_code, 0);
  pay("a cat");
  EXPECT_EQ(charges(), 2);
}

TEST_F(LedgerFile, AGivenUpLedgerThatComesBackIsRecognized) {
  pay("a dog");
  const auto older = elsewhere_.file("older.db");
  fs::copy_file(shell_.ledger(), older);
  pay("a cat");
  pay("a fish");
  const auto newer = elsewhere_.file("newer.db");
  fs::copy_file(shell_.ledger(), newer);
  restore(older);
  ASSERT_EQ(store_.veo({"ledger", "accept"}).exit_code, 0);
  pay("a bird");
  restore(newer);  // it has more changes than the other, but no bird
  fs::remove_all(cache());
  expect_refused("a bird", "is not the ledger that was used here before");
}

// A process is killed, so that changes are in the file -wal alone. Then the file is removed.
TEST_F(LedgerFile, ARemovedWalOfAKilledProcessIsNoticed) {
  pay("a dog");
  auto settings = shell_.settings({"generate", "a cat", "-o", "-"});
  // Another process's open read transaction keeps the changes in the file -wal.
  sqlite3* raw = nullptr;
  ASSERT_EQ(sqlite3_open(shell_.ledger().c_str(), &raw), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(raw, "BEGIN; SELECT count(*) FROM submission", nullptr, nullptr, nullptr),
            SQLITE_OK);
  ASSERT_EQ(Program(settings).wait().exit_code, 0);
  ASSERT_GT(fs::file_size(shell_.ledger() + "-wal"), 0U);
  // Only a process that ends without a close leaves the files. A copy has the same content.
  fs::copy_file(shell_.ledger(), elsewhere_.file("main"));
  ASSERT_EQ(sqlite3_close(raw), SQLITE_OK);
  remove({"", "-wal", "-shm"});
  restore(elsewhere_.file("main"));
  fs::remove_all(cache());
  expect_refused("a cat", "is older than its last use");
}

// --- A cache that knows better -------------------------------------------------------------------

TEST_F(LedgerFile, ALedgerThatWasRemovedWithAllItsFilesIsMissedByTheCache) {
  pay("a dog");
  pay("a cat");
  remove({"", "-wal", "-shm", "-locks"});
  expect_refused("a fish", "has no submission, but the cache has clips");
  pay("a dog");  // from the cache
  EXPECT_EQ(charges(), 2);
  expect_refused("a fish", "has no submission, but the cache has clips");
  const auto refused = store_.veo({"generate", "a dog", "--reuse=false", "-o", "-"});
  EXPECT_EQ(refused.exit_code, 9) << refused.errors;
  EXPECT_EQ(charges(), 2);
  const auto accepted = store_.veo({"ledger", "accept", "--json"});
  EXPECT_EQ(accepted.exit_code, 0) << accepted.errors;
  EXPECT_EQ(last_event(accepted.output, "accept").at("needed"), true);
  pay("a fish");
  EXPECT_EQ(charges(), 3);
}

TEST_F(LedgerFile, AClipOfAnotherLedgerIsNoReasonToRefuse) {
  pay("a dog");
  Store other(shell_);
  other.use_ledger(elsewhere_.file("ledger.db"));
  other.use_cache(cache());
  const auto paid = other.generate("a cat");
  EXPECT_EQ(paid.exit_code, 0) << paid.errors;
  EXPECT_EQ(charges(), 2);
}

// Earlier versions wrote no ledger into the sidecar.
TEST_F(LedgerFile, AnOldSidecarIsNoReasonToRefuse) {
  pay("a dog");
  for (const auto& entry : fs::directory_iterator(cache())) {
    if (entry.path().extension() != ".clip") continue;
    std::ifstream in(entry.path());
    std::string kept;
    std::size_t dropped = 0;
    for (std::string line; std::getline(in, line);) {
      if (line.starts_with("ledger")) {
        ++dropped;
      } else {
        kept += line + "\n";
      }
    }
    EXPECT_EQ(dropped, 2U);
    std::ofstream(entry.path()) << kept;
  }
  remove({"", "-wal", "-shm", "-locks"});
  pay("a cat");
  EXPECT_EQ(charges(), 2);
}

}  // namespace
}  // namespace veo::test
