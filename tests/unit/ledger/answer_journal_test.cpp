// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/ledger/answer_journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "command.h"
#include "rows.h"

namespace veo::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

/// Takes the answer as the row of a submission of this ledger would have it.
AnswerRecord make_answer(const std::string& ledger, const std::string& salt, std::int64_t row,
                         const std::string& task) {
  AnswerRecord answer{.ledger = ledger, .salt = salt, .record = a_claim().record};
  answer.record.id = row;
  answer.record.state = RecordState::accepted;
  answer.record.prompt = "a dog & a cat\n= 100 %\xC3\xA4";
  answer.record.task_id = task;
  answer.record.reserved_at = noon;
  answer.record.sending_at = noon;
  answer.record.accepted_at = noon;
  return answer;
}

std::vector<AnswerRecord> answers_in(const AnswerJournal& journal) {
  std::vector<AnswerRecord> answers;
  for (auto& entry : journal.read()) answers.push_back(std::move(entry.answer));
  return answers;
}

class AnswerJournals : public testing::Test {
 protected:
  const TemporaryDirectory home_;
  const std::string ledger_ = home_.file("ledger.db");
  const AnswerJournal journal_ = AnswerJournal::beside(ledger_);
  const AnswerRecord first_ = make_answer(ledger_, "salt", 1, "T1");
  const AnswerRecord second_ = make_answer(ledger_, "salt", 2, "T-2/\xC3\xB6");
};

TEST_F(AnswerJournals, ReturnWhatWasAppended) {
  EXPECT_EQ(journal_.path(), ledger_ + "-journal-answers");
  EXPECT_THAT(answers_in(journal_), IsEmpty()) << "there is no file";
  ASSERT_TRUE(journal_.append(first_));
  ASSERT_TRUE(journal_.append(second_));
  EXPECT_THAT(answers_in(journal_), testing::ElementsAre(first_, second_));
  struct stat info {};
  ASSERT_EQ(::stat(journal_.path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST_F(AnswerJournals, ForgetWhatIsRemovedAndBecomeEmpty) {
  ASSERT_TRUE(journal_.append(first_));
  ASSERT_TRUE(journal_.append(second_));
  journal_.remove(first_);
  EXPECT_THAT(answers_in(journal_), testing::ElementsAre(second_));
  EXPECT_GT(std::filesystem::file_size(journal_.path()), 0U);
  journal_.remove(second_);
  EXPECT_THAT(answers_in(journal_), IsEmpty());
  EXPECT_EQ(std::filesystem::file_size(journal_.path()), 0U);
}

// Another process has taken the answers and emptied the file, and then a third one appended.
TEST_F(AnswerJournals, KeepAnAnswerThatCameAfterTheReading) {
  ASSERT_TRUE(journal_.append(first_));
  const auto read = journal_.read();
  journal_.remove(first_);
  ASSERT_TRUE(journal_.append(second_));
  journal_.remove(read);
  EXPECT_THAT(answers_in(journal_), testing::ElementsAre(second_));
}

TEST_F(AnswerJournals, IgnoreATornLine) {
  ASSERT_TRUE(journal_.append(first_));
  const auto size = std::filesystem::file_size(journal_.path());
  for (std::uintmax_t torn = 1; torn < size - 1; torn += 7) {
    std::filesystem::remove(journal_.path());
    ASSERT_TRUE(journal_.append(first_));
    std::filesystem::resize_file(journal_.path(), torn);
    EXPECT_THAT(answers_in(journal_), IsEmpty()) << torn;
    ASSERT_TRUE(journal_.append(second_));
    EXPECT_THAT(answers_in(journal_), testing::ElementsAre(second_)) << torn;
  }
}

// The checksum says that the answer is complete.
TEST_F(AnswerJournals, TakeALineThatLacksItsEndAlone) {
  ASSERT_TRUE(journal_.append(first_));
  std::filesystem::resize_file(journal_.path(), std::filesystem::file_size(journal_.path()) - 1);
  ASSERT_TRUE(journal_.append(second_));
  EXPECT_THAT(answers_in(journal_), testing::ElementsAre(first_, second_));
}

TEST_F(AnswerJournals, AreNotTrustedIfOthersMayWriteThem) {
  ASSERT_TRUE(journal_.append(first_));
  ::chmod(journal_.path().c_str(), 0622);
  EXPECT_THAT(answers_in(journal_), IsEmpty());
  EXPECT_FALSE(journal_.append(second_));
}

TEST_F(AnswerJournals, ThatCannotBeTrustedAreNamed) {
  EXPECT_TRUE(journal_.check()) << "there is no file";
  ASSERT_TRUE(journal_.append(first_));
  EXPECT_TRUE(journal_.check());
  ASSERT_EQ(::chmod(journal_.path().c_str(), 0620), 0);
  EXPECT_THAT(journal_.check().error().message, HasSubstr("chmod 600"));
  EXPECT_FALSE(Ledger::open(ledger_)) << "the answer would be missed";
  ASSERT_EQ(::chmod(journal_.path().c_str(), 0600), 0);
  std::filesystem::resize_file(journal_.path(), (std::size_t{16} << 20U) + 1);
  EXPECT_THAT(journal_.check().error().message, HasSubstr("too large"));
  EXPECT_FALSE(journal_.append(second_)) << "nobody would read the answer";
  EXPECT_FALSE(journal_.reserve(second_));
  std::filesystem::remove(journal_.path());
  ASSERT_EQ(::mkfifo(journal_.path().c_str(), 0600), 0);
  EXPECT_THAT(journal_.check().error().message, HasSubstr("not a regular file"));
}

// The first ledger's folder was moved away, and may come back.
TEST_F(AnswerJournals, KeepTheAnswerToALedgerThatWasReplaced) {
  ASSERT_TRUE(journal_.append(first_));
  const auto ledger = test::open_ledger(ledger_);
  EXPECT_EQ(answers_in(journal_).size(), 1U);
  EXPECT_EQ(kind_of(ledger->claim(a_claim(), noon)), "accepted T1");
  EXPECT_EQ(kind_of(ledger->claim(a_claim("another"), noon)), "ledger");
  accept(*ledger);
  EXPECT_EQ(kind_of(ledger->claim(a_claim("another"), noon)), "reservation");
  EXPECT_EQ(answers_in(journal_).size(), 1U);
}

TEST_F(AnswerJournals, InTheCacheMakeTheDirectory) {
  const auto cache = AnswerJournal::in_cache(home_.file("new/cache"));
  ASSERT_TRUE(cache.append(first_));
  EXPECT_THAT(answers_in(cache), testing::ElementsAre(first_));
}

TEST_F(AnswerJournals, BesideALedgerDoNotMakeTheDirectory) {
  const auto gone = AnswerJournal::beside(home_.file("gone/ledger.db"));
  const auto written = gone.append(first_);
  ASSERT_FALSE(written);
  EXPECT_THAT(written.error().message, HasSubstr(gone.path()));
  EXPECT_FALSE(std::filesystem::exists(home_.file("gone")));
}

std::uint64_t blocks(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? static_cast<std::uint64_t>(info.st_blocks) : 0;
}

TEST_F(AnswerJournals, HoldSpaceForEachReserve) {
  std::optional<AnswerJournal::Reserve> reserves[3];
  std::uint64_t before = 0;
  for (auto& reserve : reserves) {
    auto made = journal_.reserve(first_);
    ASSERT_TRUE(made) << made.error().message;
    reserve = std::move(*made);
    EXPECT_GT(blocks(journal_.path()), before) << "no blocks were allocated";
    before = blocks(journal_.path());
  }
  EXPECT_EQ(std::filesystem::file_size(journal_.path()), 0U);
  // An answer uses the space that is there.
  ASSERT_TRUE(journal_.append(first_));
  EXPECT_EQ(blocks(journal_.path()), before);
  // The file is not emptied while another answer may need its space.
  journal_.remove(first_);
  EXPECT_EQ(blocks(journal_.path()), before);
  for (auto& reserve : reserves) reserve.reset();
  ASSERT_TRUE(journal_.append(first_));
  journal_.remove(first_);
  EXPECT_EQ(blocks(journal_.path()), 0U);
}

TEST_F(AnswerJournals, UseTheSpaceOfAReserveAgain) {
  ASSERT_TRUE(journal_.reserve(first_));
  const auto once = blocks(journal_.path());
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(journal_.reserve(first_));
  EXPECT_EQ(blocks(journal_.path()), once);
}

/// Runs `work` in a process that may write files of `limit` bytes. Returns the exit code, or minus
/// the signal.
template <class Work>
int run_limited(rlim_t limit, Work work) {
  const auto pid = ::fork();
  if (pid == 0) {
    const rlimit sizes{limit, limit};
    ::setrlimit(RLIMIT_FSIZE, &sizes);
    ::_exit(work());
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

TEST_F(AnswerJournals, RefuseAReserveBeyondTheLimitOfTheProcess) {
  EXPECT_EQ(run_limited(1024,
                        [&] {
                          const auto made = journal_.reserve(first_);
                          return made                                                          ? 1
                                 : made.error().message.find("ulimit -f") == std::string::npos ? 2
                                                                                               : 0;
                        }),
            0);
  EXPECT_EQ(run_limited(65536, [&] { return journal_.reserve(first_) ? 0 : 1; }), 0);
}

// SIGXFSZ would end the process.
TEST_F(AnswerJournals, SurviveAWriteBeyondTheLimitOfTheProcess) {
  EXPECT_EQ(run_limited(64, [&] { return journal_.append(first_) ? 1 : 0; }), 0);
}

// --- SqliteLedger -------------------------------------------------------------------------------

class Taking : public testing::Test {
 protected:
  /// Leaves a row of the claim in this state, with an owner that has gone.
  std::int64_t leave(RecordState state) { return leave_row(*open_ledger(path_), a_claim(), state); }
  AnswerRecord answer(std::int64_t row, const std::string& task = "TASK") {
    return make_answer(path_, open_ledger(path_)->salt(), row, task);
  }
  std::string rows() {
    return query(path_, "SELECT state, task_id, intent FROM submission ORDER BY id");
  }

  const TemporaryDirectory home_;
  const std::string path_ = home_.file("state/ledger.db");
  const std::string cache_ = home_.file("cache");
};

TEST_F(Taking, AnswersAtEachOpening) {
  for (const auto state : {RecordState::sending, RecordState::unknown}) {
    for (const bool in_cache : {false, true}) {
      SCOPED_TRACE(nick(state));
      const auto row = leave(state);
      const auto id = "T" + std::to_string(row) + "-late";
      const auto journal =
          in_cache ? AnswerJournal::in_cache(cache_) : AnswerJournal::beside(path_);
      ASSERT_TRUE(journal.append(answer(row, id)));
      ASSERT_TRUE(Ledger::open(path_, cache_));
      EXPECT_EQ(
          query(path_, "SELECT state, task_id, accepted_at IS NULL FROM submission WHERE id=" +
                           std::to_string(row)),
          "accepted|" + id + "|0");
      EXPECT_THAT(journal.read(), IsEmpty());
      query(path_, "DELETE FROM submission");
    }
  }
}

TEST_F(Taking, TheSameAnswerTwiceChangesNothing) {
  const auto row = leave(RecordState::sending);
  ASSERT_TRUE(AnswerJournal::beside(path_).append(answer(row)));
  ASSERT_TRUE(AnswerJournal::in_cache(cache_).append(answer(row)));
  const auto ledger = Ledger::open(path_, cache_);
  ASSERT_TRUE(ledger && *ledger);
  EXPECT_EQ(rows(), "accepted|TASK|intent");
  ASSERT_TRUE((*ledger)->move(row, RecordState::completed, {.at = noon, .url = "https://f/1"}));
  ASSERT_TRUE(AnswerJournal::beside(path_).append(answer(row)));
  ASSERT_TRUE(Ledger::open(path_, cache_));
  EXPECT_EQ(rows(), "completed|TASK|intent");
}

// The ledger was removed, or an older copy was restored.
TEST_F(Taking, MakesARowThatIsMissing) {
  const auto row = leave(RecordState::sending);
  auto late = answer(row);
  query(path_, "DELETE FROM submission");
  ASSERT_TRUE(AnswerJournal::beside(path_).append(late));
  const auto ledger = open_ledger(path_);
  EXPECT_EQ(rows(), "accepted|TASK|intent");
  const auto found = ledger->claim(a_claim(), noon);
  EXPECT_EQ(kind_of(found), "accepted TASK");
  const auto& record = std::get<Record>(*found);
  EXPECT_EQ(record.prompt, late.record.prompt);
  EXPECT_EQ(record.credits, 40U);
  EXPECT_EQ(record.reserved_at, noon);
  EXPECT_EQ(record.accepted_at, noon);
}

// Another ledger has a row with the same number, which belongs to another submission.
TEST_F(Taking, LeavesTheRowsOfOtherSubmissionsAlone) {
  leave_row(*open_ledger(path_), a_claim("other"), RecordState::sending);
  auto late = answer(1);
  late.salt = "of the ledger that was removed";
  ASSERT_TRUE(AnswerJournal::beside(path_).append(late));
  open_ledger(path_);
  EXPECT_EQ(rows(), "sending||other\naccepted|TASK|intent");
}

TEST_F(Taking, IgnoresTheAnswersOfOtherLedgers) {
  const auto row = leave(RecordState::sending);
  auto late = answer(row);
  late.ledger = home_.file("another.db");
  late.salt = "another";
  const auto journal = AnswerJournal::in_cache(cache_);
  ASSERT_TRUE(journal.append(late));
  ASSERT_TRUE(Ledger::open(path_, cache_));
  EXPECT_EQ(rows(), "sending||intent");
  EXPECT_EQ(journal.read().size(), 1U);
}

// The intent was paid twice: the first submission's answer came after the second submission.
TEST_F(Taking, KeepsTheTaskIdBesideAnotherSubmission) {
  const auto first = leave(RecordState::unknown);
  auto again = a_claim();
  again.resubmit = true;
  const auto second = leave_row(*open_ledger(path_), again, RecordState::accepted);
  ASSERT_TRUE(AnswerJournal::beside(path_).append(answer(first)));
  open_ledger(path_);
  EXPECT_EQ(rows(), "superseded|TASK|intent\naccepted|T" + std::to_string(second) + "|intent");
  // The same in a ledger without the first row.
  query(path_, "DELETE FROM submission WHERE id = " + std::to_string(first));
  ASSERT_TRUE(AnswerJournal::beside(path_).append(answer(first)));
  open_ledger(path_);
  EXPECT_EQ(query(path_, "SELECT state, task_id FROM submission WHERE task_id = 'TASK'"),
            "superseded|TASK");
}

TEST_F(Taking, ARefusalReleasesTheRow) {
  const auto row = leave(RecordState::sending);
  auto refused = answer(row, "");
  refused.record.state = RecordState::released;
  refused.record.accepted_at.reset();
  refused.record.error = "insufficient-credits";
  ASSERT_TRUE(AnswerJournal::beside(path_).append(refused));
  const auto ledger = open_ledger(path_);
  EXPECT_EQ(query(path_, "SELECT state, error FROM submission"), "released|insufficient-credits");
  EXPECT_EQ(kind_of(ledger->claim(a_claim(), noon)), "reservation");
}

// The owner wrote the answer and died after this process had opened the ledger.
TEST_F(Taking, ComesBeforeARowWithoutAnOwnerBecomesUnknown) {
  const auto ledger = open_ledger(path_);
  const auto row = leave(RecordState::sending);
  ASSERT_TRUE(AnswerJournal::beside(path_).append(answer(row)));
  EXPECT_EQ(kind_of(ledger->claim(a_claim(), noon)), "accepted TASK");
  EXPECT_THAT(AnswerJournal::beside(path_).read(), IsEmpty());
}

TEST_F(Taking, ComesBeforeAnUnknownRowIsTold) {
  const auto ledger = open_ledger(path_);
  const auto row = leave(RecordState::unknown);
  ASSERT_TRUE(AnswerJournal::beside(path_).append(answer(row)));
  EXPECT_EQ(kind_of(ledger->claim(a_claim(), noon)), "accepted TASK");
}

TEST_F(Taking, ComesBeforeTheHistory) {
  const auto ledger = open_ledger(path_);
  const auto row = leave(RecordState::sending);
  ASSERT_TRUE(AnswerJournal::beside(path_).append(answer(row)));
  const auto seen = ledger->history({});
  ASSERT_TRUE(seen && *seen && seen->value().size() == 1U);
  EXPECT_EQ(seen->value().front().task_id, "TASK");
}

}  // namespace
}  // namespace veo::test
