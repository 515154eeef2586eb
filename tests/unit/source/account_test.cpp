// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/source/account.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <future>
#include <thread>

#include "command.h"
#include "veo/ledger/ledger.h"
#include "veo/system/store_thread.h"

namespace veo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Account : public testing::Test {
 protected:
  void record(const std::string& task, const std::string& parent) const {
    const auto ledger = Ledger::open(path_);
    ASSERT_TRUE(ledger && *ledger);
    const Record made{
        .api_url = "https://api.example/v1", .parent_task_id = parent, .task_id = task};
    ASSERT_TRUE((*ledger)->confirm("", made, UnixTime{}));
  }
  [[nodiscard]] std::vector<std::string> tasks(const HistoryQuery& query) const {
    const auto rows = read_history(path_, query, wakeup_);
    EXPECT_TRUE(rows && *rows);
    std::vector<std::string> ids;
    if (rows && *rows) {
      for (const auto& row : **rows) ids.push_back(row.task_id);
    }
    return ids;
  }
  [[nodiscard]] std::vector<std::string> chain(const std::string& task) const {
    auto tasks = read_chain(path_, task, wakeup_);
    EXPECT_TRUE(tasks && *tasks);
    return tasks && *tasks ? std::move(**tasks) : std::vector<std::string>();
  }

  const test::TemporaryDirectory directory_;
  const std::string path_ = directory_.file("ledger.db");
  const std::shared_ptr<Wakeup> wakeup_ = std::make_shared<Wakeup>();
};

TEST_F(Account, HasNoHistoryWithoutALedgerAndMakesNone) {
  EXPECT_THAT(tasks({}), IsEmpty());
  EXPECT_THAT(chain("a"), ElementsAre("a"));
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
}

TEST_F(Account, HasTheHistoryThatIsAskedFor) {
  for (const auto* const task : {"a", "b", "c"}) record(task, "");
  EXPECT_THAT(tasks({}), ElementsAre("c", "b", "a"));
  EXPECT_THAT(tasks({.limit = 2}), ElementsAre("c", "b"));
  EXPECT_THAT(tasks({.states = {RecordState::unknown}}), IsEmpty());
}

TEST_F(Account, SaysWhichLedgersItKnows) {
  const auto rows = read_history("postgresql://me:secret@db.example/veo", {}, wakeup_);
  ASSERT_TRUE(rows);
  ASSERT_FALSE(*rows);
  EXPECT_EQ(rows->error().code, ErrorCode::ledger);
  EXPECT_THAT(rows->error().message, HasSubstr("postgresql://"));
}

TEST_F(Account, KnowsWhatATaskContinues) {
  record("a", "");
  record("b", "a");
  record("x", "y");
  record("y", "x");
  record("c", "b");
  record("d", "c");
  EXPECT_THAT(chain("c"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(chain("foreign"), ElementsAre("foreign"));
  EXPECT_THAT(chain("x"), ElementsAre("y", "x")) << "the tasks are each other's parents";
}

// A disk may not answer for minutes. The caller can leave, and the late answer must reach nobody.
TEST_F(Account, CanBeLeftWhileTheStoreDoesNotAnswer) {
  record("a", "");
  const auto store = StoreThread::acquire(StoreThread::Store::ledger);
  std::promise<void> answers;
  store->post([answered = answers.get_future().share()] { answered.wait(); });
  {
    const std::jthread user([&] { wakeup_->interrupt(); });
    EXPECT_FALSE(read_history(path_, {}, wakeup_));
    EXPECT_FALSE(read_chain(path_, "a", wakeup_));
  }
  answers.set_value();
  wakeup_->resume();
  EXPECT_THAT(tasks({}), ElementsAre("a")) << "the store must work again";
}

}  // namespace
}  // namespace veo
