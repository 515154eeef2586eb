// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/ledger/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>
#include <set>
#include <thread>
#include <tuple>
#include <vector>

#include "command.h"
#include "process.h"
#include "rows.h"

namespace veo {
namespace {

using enum RecordState;
using namespace std::chrono_literals;
using test::a_claim;
using test::kind_of;
using test::leave_row;
using test::noon;
using test::Process;
using test::reservation_of;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr RecordState all_states[] = {reserved, sending,  accepted, completed,
                                      failed,   released, unknown,  superseded};

std::string name_of_state(const testing::TestParamInfo<RecordState>& tested) {
  return std::string(nick(tested.param));
}

// --- Ledger::open() --------------------------------------------------------------------------

TEST(LedgerLocation, OfAKindThatNobodyKnowsIsRefused) {
  const test::TemporaryDirectory directory;
  std::filesystem::current_path(directory.path());
  for (const char* location :
       {"postgresql://me:secret@db.example/veo", "mysql://h/d", "x+y-1.0://"}) {
    for (const auto& refused : {Ledger::open(location).map([](const auto&) {}),
                                Ledger::exists(location).map([](bool) {})}) {
      ASSERT_FALSE(refused) << location;
      EXPECT_EQ(refused.error().code, ErrorCode::ledger);
      EXPECT_EQ(refused.error().charged, Charged::no);
      const std::string given(location);
      EXPECT_THAT(
          refused.error().message,
          AllOf(HasSubstr(given.substr(0, given.find("//") + 2)), HasSubstr("path"),
                HasSubstr("VEO_LEDGER"), HasSubstr("Nothing was sent"), Not(HasSubstr("secret"))));
    }
  }
  EXPECT_TRUE(std::filesystem::is_empty(directory.path())) << "a file was made";
}

class LedgerTest : public testing::Test {
 protected:
  // The next test may fork.
  void TearDown() override { test::wait_for_checkpoints(); }

  Ledger& ledger() {
    if (!ledger_) ledger_ = test::open_ledger(path_);
    return *ledger_;
  }
  /// Returns a ledger with another connection to the same file, as in another process.
  Ledger& other() {
    if (!other_) other_ = test::open_ledger(directory_.path() + "/./ledger.db");
    return *other_;
  }
  Record row(std::int64_t id) {
    auto found = ledger().get(id);
    EXPECT_TRUE(found) << found.error().message;
    return found ? *found : Record{};
  }
  [[nodiscard]] std::string states() const { return test::states(path_); }
  /// Returns all columns of a row.
  [[nodiscard]] std::string dump(std::int64_t id) const {
    return test::query(path_, "SELECT * FROM submission WHERE id = " + std::to_string(id));
  }
  Error error_of(const Claim& claim, UnixTime now = noon) {
    const auto found = ledger().claim(claim, now);
    EXPECT_FALSE(found) << kind_of(found);
    return found ? Error{} : found.error();
  }

  const test::TemporaryDirectory directory_;
  const std::string path_ = directory_.file("ledger.db");
  std::shared_ptr<Ledger> ledger_;
  std::shared_ptr<Ledger> other_;
};

// --- What a later run with the same intent finds -------------------------------------------------

TEST_F(LedgerTest, AnIntentIsRecordedBeforeItIsSubmitted) {
  auto claim = a_claim("i", 380);
  claim.record.instance = "element 1";
  claim.record.parent_task_id = "parent";
  claim.record.details = "seed=12345 watermark=it's \"mine\"";
  claim.record.prompt = std::string("山\n\0b", 6);
  claim.record.key_mark = "mark";
  claim.record.by_uri = true;
  claim.uri_budget = 1000;
  const auto owned = reservation_of(ledger().claim(claim, noon));
  const auto record = row(owned.row());
  EXPECT_EQ(record.id, owned.row());
  EXPECT_EQ(record.intent, "i");
  EXPECT_EQ(record.instance, "element 1");
  EXPECT_EQ(record.request, "request of i");
  EXPECT_EQ(record.state, reserved);
  EXPECT_EQ(record.credits, 380U);
  EXPECT_EQ(record.api_url, "https://api.example/v1");
  EXPECT_EQ(record.account, "work");
  EXPECT_EQ(record.model, "veo-3");
  EXPECT_EQ(record.mode, "fast");
  EXPECT_EQ(record.resolution, "720p");
  EXPECT_EQ(record.prompt, claim.record.prompt);
  EXPECT_EQ(record.parent_task_id, "parent");
  EXPECT_EQ(record.details, claim.record.details);
  EXPECT_EQ(record.key_mark, "mark");
  EXPECT_TRUE(record.by_uri);
  EXPECT_EQ(record.task_id, "");
  EXPECT_EQ(record.error, "");
  EXPECT_EQ(record.reserved_at, noon);
  EXPECT_FALSE(record.sending_at || record.accepted_at || record.finished_at || record.balance);
}

TEST_F(LedgerTest, ListsAllTasksAndTheirStatesNewestFirst) {
  leave_row(ledger(), a_claim("one"), completed);
  leave_row(ledger(), a_claim("two"), sending);
  leave_row(ledger(), a_claim("three"), reserved);
  const auto live = reservation_of(ledger().claim(a_claim("four"), noon));
  const auto rows = other().history({});
  ASSERT_TRUE(rows && *rows);
  std::string found;
  for (const auto& record : **rows)
    found += record.intent + " " + std::string(nick(record.state)) + "\n";
  EXPECT_EQ(found, "four reserved\nthree released\ntwo unknown\none completed\n");
}

std::string intents(const Result<std::optional<std::vector<Record>>>& rows) {
  if (!rows || !*rows) return rows ? "busy" : rows.error().message;
  std::string found;
  for (const auto& record : **rows) found += (found.empty() ? "" : " ") + record.intent;
  return found;
}

TEST_F(LedgerTest, GivesTheHistoryThatIsAskedFor) {
  leave_row(ledger(), a_claim("one"), completed, noon);
  leave_row(ledger(), a_claim("two"), failed, noon + 1s);
  leave_row(ledger(), a_claim("three"), completed, noon + 2s);
  leave_row(ledger(), a_claim("four"), released, noon + 2s);
  const auto id = leave_row(ledger(), a_claim("five"), unknown, noon + 3s);
  const auto asked = [&](const HistoryQuery& query) { return intents(ledger().history(query)); };
  EXPECT_EQ(asked({}), "five four three two one");
  EXPECT_EQ(asked({.limit = 2}), "five four");
  EXPECT_EQ(asked({.limit = 100}), "five four three two one");
  EXPECT_EQ(asked({.since = noon + 2s}), "five four three");
  EXPECT_EQ(asked({.since = noon + 4s}), "");
  EXPECT_EQ(asked({.states = {completed}}), "three one");
  EXPECT_EQ(asked({.states = {completed, unknown, failed}}), "five three two one") << "merged";
  EXPECT_EQ(asked({.states = {failed, completed}, .since = noon + 1s, .limit = 1}), "three");
  EXPECT_EQ(asked({.states = {accepted}}), "");
  EXPECT_EQ(asked({.task_id = "T3"}), "three");
  EXPECT_EQ(asked({.states = {failed}, .task_id = "T3"}), "");
  EXPECT_EQ(asked({.task_id = "nobody's"}), "");
  // Page by page.
  EXPECT_EQ(asked({.limit = 1, .after = id}), "four");
  EXPECT_EQ(asked({.limit = 2, .after = id - 1}), "three two");
  EXPECT_EQ(asked({.states = {completed, released}, .after = id - 1}), "three one");
  EXPECT_EQ(asked({.since = noon + 1s, .after = id - 1}), "three two");
  EXPECT_EQ(asked({.after = 1}), "");
}

TEST_F(LedgerTest, TheHistoryIsInTheOrderOfTheWorkWhateverTheDates) {
  leave_row(ledger(), a_claim("one"), completed, noon);
  leave_row(ledger(), a_claim("ahead"), completed, noon + 24h * 3652);
  leave_row(ledger(), a_claim("behind"), failed, noon - 24h * 3652);
  leave_row(ledger(), a_claim("four"), completed, noon + 1h);
  const auto asked = [&](const HistoryQuery& query) { return intents(ledger().history(query)); };
  EXPECT_EQ(asked({}), "four behind ahead one");
  EXPECT_EQ(asked({.limit = 2}), "four behind");
  EXPECT_EQ(asked({.states = {completed, failed}}), "four behind ahead one");
  EXPECT_EQ(asked({.since = noon + 1h}), "four ahead") << "by the date";
  EXPECT_EQ(asked({.states = {completed, failed}, .since = noon + 1min}), "four ahead");
  EXPECT_EQ(asked({.states = {completed}, .after = 3}), "ahead one");
}

TEST_F(LedgerTest, TheHistoryCanBeReadWhileAnotherProgramWrites) {
  leave_row(ledger(), a_claim("one"), completed);
  test::wait_for_checkpoints();
  Process writer([&](const Process::Say& say) {
    sqlite3* database = nullptr;
    sqlite3_open(path_.c_str(), &database);
    const int code = sqlite3_exec(database, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr);
    say(code == SQLITE_OK ? "writes" : "cannot");
    ::pause();
  });
  ASSERT_EQ(writer.line(), "writes");
  EXPECT_EQ(intents(ledger().history({})), "one");
}

TEST_F(LedgerTest, ALiveOwnerIsWaitedForAndThenJoined) {
  const auto owned = reservation_of(ledger().claim(a_claim(), noon));
  for (const auto state : {reserved, sending}) {
    ASSERT_TRUE(ledger().move(owned.row(), state, {.at = noon}));
    EXPECT_EQ(kind_of(ledger().claim(a_claim(), noon)), "later");
    EXPECT_EQ(kind_of(other().claim(a_claim(), noon)), "later");
  }
  EXPECT_EQ(states(), "sending");

  ASSERT_TRUE(ledger().move(owned.row(), accepted, {.at = noon, .task_id = "T"}));
  EXPECT_EQ(kind_of(other().claim(a_claim(), noon)), "accepted T");
  ASSERT_TRUE(ledger().move(owned.row(), completed, {.at = noon, .url = "https://f/v.mp4"}));
  const auto found = other().claim(a_claim(), noon);
  EXPECT_EQ(kind_of(found), "completed T");
  EXPECT_EQ(std::get<Record>(*found).url, "https://f/v.mp4");
  EXPECT_EQ(states(), "completed") << "another claim made a row";
}

TEST_F(LedgerTest, AnAcceptedTaskIsJoinedForeverWhoeverSubmittedIt) {
  const auto id = leave_row(ledger(), a_claim(), accepted);
  for (const auto later : {0h, 24h, 24h * 365 * 10}) {
    const auto found = ledger().claim(a_claim(), noon + later);
    ASSERT_EQ(kind_of(found), "accepted T" + std::to_string(id));
    EXPECT_EQ(std::get<Record>(*found).id, id);
  }
}

// A recorded task costs nothing, so no refusal prevents joining or playing it.
TEST_F(LedgerTest, ARecordedTaskHasPriorityOverEveryRefusal) {
  leave_row(ledger(), a_claim(), completed);
  auto claim = a_claim();
  claim.refusal = Error{.code = ErrorCode::missing_api_key};
  claim.daily_budget = 0;
  claim.price_is_known = false;
  claim.record.by_uri = true;
  EXPECT_EQ(kind_of(ledger().claim(claim, noon)), "completed T1");
}

TEST_F(LedgerTest, ARefusalLeavesNoRow) {
  auto claim = a_claim();
  claim.refusal = Error{.code = ErrorCode::invalid_request, .message = "Why."};
  EXPECT_EQ(error_of(claim), *claim.refusal);
  EXPECT_EQ(states(), "");
}

TEST_F(LedgerTest, AReleasedIntentMayBeSubmitted) {
  leave_row(ledger(), a_claim(), released);
  EXPECT_EQ(kind_of(ledger().claim(a_claim(), noon)), "reservation");
  EXPECT_EQ(states(), "released reserved");
}

TEST_F(LedgerTest, AReservationThatWasDroppedWasNeverSent) {
  leave_row(ledger(), a_claim(), reserved);
  EXPECT_EQ(kind_of(ledger().claim(a_claim(), noon)), "reservation");
  EXPECT_EQ(states(), "released reserved");
}

TEST_F(LedgerTest, ASubmissionThatWasDroppedIsUnknownAndStaysSo) {
  const auto id = leave_row(ledger(), a_claim(), sending);
  for (const auto later : {0h, 1h, 24h * 365}) {
    const auto error = error_of(a_claim(), noon + later);
    EXPECT_EQ(error.code, ErrorCode::submit_unknown);
    EXPECT_EQ(error.charged, Charged::unknown);
    EXPECT_THAT(error.message, AllOf(HasSubstr("a dog"), HasSubstr("2026-11-23 12:00:00 UTC")));
    EXPECT_EQ(states(), "unknown");
  }
  EXPECT_EQ(row(id).credits, 40U);
}

TEST_F(LedgerTest, AStateThatNobodyKnowsIsNeverSubmittedAgain) {
  leave_row(ledger(), a_claim(), released);
  test::query(path_, "UPDATE submission SET state = 'paused'");
  EXPECT_EQ(error_of(a_claim()).code, ErrorCode::submit_unknown);
}

TEST_F(LedgerTest, AFailedTaskIsSubmittedAtMostThreeTimesADay) {
  for (int failure = 1; failure <= 3; ++failure) {
    leave_row(ledger(), a_claim(), failed, noon + failure * 1h);
  }
  const auto error = error_of(a_claim(), noon + 4h);
  EXPECT_EQ(error.code, ErrorCode::task_failed);
  EXPECT_EQ(error.task_id, "T3");
  EXPECT_EQ(error.charged, Charged::no);
  EXPECT_THAT(error.message,
              AllOf(HasSubstr("3 times"), HasSubstr("No dogs."), HasSubstr("Nothing was sent")));
  EXPECT_EQ(kind_of(ledger().claim(a_claim("another take"), noon + 4h)), "reservation");
  EXPECT_EQ(kind_of(ledger().claim(a_claim(), noon + 25h - 1ms)), "task-failed");
  EXPECT_EQ(kind_of(ledger().claim(a_claim(), noon + 25h)), "reservation")
      << "the first failure is older than a day";
}

// --- on-unknown=resubmit ---------------------------------------------------------------------

Claim resubmitting() {
  auto claim = a_claim();
  claim.resubmit = true;
  return claim;
}

TEST_F(LedgerTest, OfTwoThatResubmitOneSubmits) {
  leave_row(ledger(), a_claim(), unknown);
  const auto owned = reservation_of(ledger().claim(resubmitting(), noon));
  EXPECT_EQ(states(), "superseded reserved");
  EXPECT_EQ(kind_of(other().claim(resubmitting(), noon)), "later");
  test::lead(ledger(), owned.row(), accepted);
  EXPECT_EQ(kind_of(other().claim(resubmitting(), noon)), "accepted T2");
  EXPECT_EQ(states(), "superseded accepted");
}

TEST_F(LedgerTest, ResubmitHasNoEffectWithoutAnUnknownSubmission) {
  leave_row(ledger(), a_claim(), accepted);
  EXPECT_EQ(kind_of(ledger().claim(resubmitting(), noon)), "accepted T1");
  auto fresh = a_claim("fresh");
  fresh.resubmit = true;
  EXPECT_EQ(kind_of(ledger().claim(fresh, noon)), "reservation");
}

TEST_F(LedgerTest, ALiveSubmissionIsNotResubmitted) {
  const auto owned = reservation_of(ledger().claim(a_claim(), noon));
  ASSERT_TRUE(ledger().move(owned.row(), sending, {.at = noon}));
  EXPECT_EQ(kind_of(ledger().claim(resubmitting(), noon)), "later");
  EXPECT_EQ(states(), "sending");
}

TEST_F(LedgerTest, ResubmitsTwiceADay) {
  leave_row(ledger(), a_claim(), unknown);
  leave_row(ledger(), resubmitting(), sending, noon + 1h);
  leave_row(ledger(), resubmitting(), sending, noon + 2h);
  ASSERT_EQ(states(), "superseded superseded sending");
  const auto error = error_of(resubmitting(), noon + 3h);
  EXPECT_EQ(error.code, ErrorCode::submit_unknown);
  EXPECT_THAT(error.message, HasSubstr("2 times within 24 hours"));
  EXPECT_EQ(states(), "superseded superseded unknown");

  EXPECT_EQ(kind_of(ledger().claim(resubmitting(), noon + 25h - 1ms)), "submit-unknown");
  EXPECT_EQ(kind_of(ledger().claim(resubmitting(), noon + 25h)), "reservation");
  EXPECT_EQ(states(), "superseded superseded superseded reserved");
}

TEST_F(LedgerTest, ARefusedResubmissionStaysUnknown) {
  leave_row(ledger(), a_claim(), unknown);
  auto over = resubmitting();
  over.daily_budget = 79;  // the unknown submission counts 40 credits
  auto unpriced = resubmitting();
  unpriced.price_is_known = false;
  unpriced.daily_budget = 1'000'000;
  auto by_uri = resubmitting();
  by_uri.record.by_uri = true;
  for (const auto& claim : {over, unpriced, by_uri}) {
    EXPECT_EQ(kind_of(ledger().claim(claim, noon)), "budget-exceeded");
  }
  auto without_key = resubmitting();
  without_key.refusal = Error{.code = ErrorCode::missing_api_key};
  EXPECT_EQ(kind_of(ledger().claim(without_key, noon)), "missing-api-key");
  EXPECT_EQ(states(), "unknown");
  over.daily_budget = 80;
  EXPECT_EQ(kind_of(ledger().claim(over, noon)), "reservation");
}

// --- reuse=false and request-id --------------------------------------------------------------

Claim of_instance(const std::string& instance) {
  auto claim = a_claim();
  claim.record.instance = instance;
  return claim;
}

TEST_F(LedgerTest, AnInstanceIgnoresOtherInstancesAndFindsItself) {
  leave_row(ledger(), a_claim(), completed);
  leave_row(ledger(), of_instance("a"), accepted);
  const auto running = reservation_of(ledger().claim(of_instance("b"), noon));
  const auto own = reservation_of(ledger().claim(of_instance("c"), noon));
  EXPECT_EQ(kind_of(ledger().claim(of_instance("c"), noon)), "later");
  test::lead(ledger(), own.row(), accepted);
  EXPECT_EQ(kind_of(ledger().claim(of_instance("c"), noon)), "accepted T4");
  EXPECT_EQ(kind_of(ledger().claim(of_instance("a"), noon)), "accepted T2");
  EXPECT_EQ(states(), "completed accepted reserved accepted");
  EXPECT_EQ(kind_of(ledger().claim(a_claim(), noon)), "accepted T4") << "the newest task";
}

TEST_F(LedgerTest, AnInstanceDoesNotIgnoreAnUnknownSubmission) {
  leave_row(ledger(), a_claim(), unknown);
  EXPECT_EQ(kind_of(ledger().claim(of_instance("a"), noon)), "submit-unknown");
  auto resubmit = of_instance("a");
  resubmit.resubmit = true;
  EXPECT_EQ(kind_of(ledger().claim(resubmit, noon)), "reservation");
  EXPECT_EQ(states(), "superseded reserved");
}

TEST_F(LedgerTest, AClaimWithoutAnInstanceWaitsForEveryOwner) {
  const auto running = reservation_of(ledger().claim(of_instance("a"), noon));
  EXPECT_EQ(kind_of(ledger().claim(a_claim(), noon)), "later");
}

TEST_F(LedgerTest, InstancesShareTheFailuresOfTheirIntent) {
  for (const char* instance : {"a", "b", "c"}) leave_row(ledger(), of_instance(instance), failed);
  EXPECT_EQ(kind_of(ledger().claim(of_instance("d"), noon)), "task-failed");
}

class RequestId : public LedgerTest, public testing::WithParamInterface<RecordState> {};
TEST_P(RequestId, IsOfOneRequest) {
  leave_row(ledger(), a_claim(), GetParam());
  auto claim = a_claim();
  claim.by_request_id = true;
  claim.record.request = "another";
  // A request that was never sent has not used up the request id.
  const bool is_free = GetParam() == released || GetParam() == reserved;
  const auto found = ledger().claim(claim, noon);
  EXPECT_EQ(kind_of(found), is_free ? "reservation" : "invalid-request");
  claim.record.request = a_claim().record.request;
  // If the other request has taken the id, the first request has lost it.
  EXPECT_EQ(kind_of(ledger().claim(claim, noon)) == "invalid-request", is_free);
}
INSTANTIATE_TEST_SUITE_P(All, RequestId, testing::ValuesIn(all_states), name_of_state);

// --- Budgets ---------------------------------------------------------------------------------

Claim within(Credits daily, std::uint32_t credits = 40, const std::string& intent = "new") {
  auto claim = a_claim(intent, credits);
  claim.daily_budget = daily;
  return claim;
}

class DailyBudget : public LedgerTest, public testing::WithParamInterface<RecordState> {};
TEST_P(DailyBudget, CountsWhatMayHaveBeenPaid) {
  // The row's owner lives, so each state stays as it is.
  const auto owned = reservation_of(ledger().claim(a_claim("old", 60), noon));
  test::lead(ledger(), owned.row(), GetParam());
  const bool counts = GetParam() != failed && GetParam() != released;
  EXPECT_EQ(kind_of(ledger().claim(within(99), noon)), counts ? "budget-exceeded" : "reservation");
  EXPECT_EQ(kind_of(ledger().claim(within(100), noon)), "reservation");
}
INSTANTIATE_TEST_SUITE_P(All, DailyBudget, testing::ValuesIn(all_states), name_of_state);

TEST_F(LedgerTest, TheBudgetIsOfTwentyFourRollingHours) {
  leave_row(ledger(), a_claim("old", 60), completed);
  EXPECT_EQ(kind_of(ledger().claim(within(99), noon + 24h - 1ms)), "budget-exceeded");
  EXPECT_EQ(kind_of(ledger().claim(within(99), noon + 24h)), "reservation");
}

// --- Clocks that jump ------------------------------------------------------------------------

/// One boot of the machine. Its wall clock may jump, and its uptime goes on.
ClockReading in_boot(UnixTime wall, std::chrono::milliseconds uptime) {
  return {wall, "A", uptime};
}

constexpr auto ten_years = 24h * 3652;

struct Jump {
  const char* name;
  std::chrono::hours by;
};

class ClockJump : public LedgerTest, public testing::WithParamInterface<Jump> {
 protected:
  const UnixTime jumped_ = noon + GetParam().by;
};

TEST_P(ClockJump, MakesNoBudgetNewAndUsesNoneUp) {
  leave_row(ledger(), a_claim("before", 60), completed, in_boot(noon, 1h));
  EXPECT_EQ(kind_of(ledger().claim(within(99), in_boot(jumped_, 2h))), "budget-exceeded");
  leave_row(ledger(), within(100, 40, "under the wrong clock"), completed, in_boot(jumped_, 3h));
  EXPECT_EQ(row(2).reserved_at, jumped_) << "people see what the clock said";
  // The clock is right again.
  const auto right = [](std::chrono::milliseconds uptime) {
    return in_boot(noon + uptime - 1h, uptime);
  };
  EXPECT_EQ(kind_of(ledger().claim(within(100, 1), right(4h))), "budget-exceeded");
  EXPECT_EQ(kind_of(ledger().claim(within(99, 60), right(25h - 1ms))), "budget-exceeded");
  leave_row(ledger(), within(100, 60, "a day after the first"), completed, right(25h));
  EXPECT_EQ(row(3).reserved_at, noon + 24h) << "a wrong date is not handed on";
  EXPECT_EQ(kind_of(ledger().claim(within(99, 40), right(27h - 1ms))), "budget-exceeded");
  EXPECT_EQ(kind_of(ledger().claim(within(100, 40), right(27h))), "reservation");
}

TEST_P(ClockJump, MakesNoFailureOld) {
  for (int failure = 1; failure <= 3; ++failure) {
    leave_row(ledger(), a_claim(), failed, in_boot(noon, failure * 1h));
  }
  EXPECT_EQ(kind_of(ledger().claim(a_claim(), in_boot(jumped_, 4h))), "task-failed");
  EXPECT_EQ(kind_of(ledger().claim(a_claim(), in_boot(noon, 25h - 1ms))), "task-failed");
  EXPECT_EQ(kind_of(ledger().claim(a_claim(), in_boot(jumped_, 25h))), "reservation");
}

TEST_P(ClockJump, MakesNoResubmissionOld) {
  leave_row(ledger(), a_claim(), unknown, in_boot(noon, 1h));
  leave_row(ledger(), resubmitting(), sending, in_boot(jumped_, 2h));
  leave_row(ledger(), resubmitting(), sending, in_boot(noon, 3h));
  EXPECT_EQ(kind_of(ledger().claim(resubmitting(), in_boot(jumped_, 4h))), "submit-unknown");
  EXPECT_EQ(kind_of(ledger().claim(resubmitting(), in_boot(noon, 26h - 1ms))), "submit-unknown");
  EXPECT_EQ(kind_of(ledger().claim(resubmitting(), in_boot(jumped_, 26h))), "reservation");
}

TEST_P(ClockJump, ChangesNoAge) {
  const auto id = leave_row(ledger(), a_claim(), accepted, in_boot(noon, 1h));
  const auto age = ledger().find_age(row(id), in_boot(jumped_, 1h + 40s));
  ASSERT_TRUE(age);
  EXPECT_EQ(*age, 40s);
}

TEST_P(ClockJump, CountsTheTimeAcrossABootOnlyForward) {
  leave_row(ledger(), a_claim("old", 60), completed, in_boot(noon, 1h));
  const auto found = ledger().claim(within(99), ClockReading{jumped_, "B", 1min});
  EXPECT_EQ(kind_of(found), GetParam().by >= 24h ? "reservation" : "budget-exceeded");
}

INSTANTIATE_TEST_SUITE_P(All, ClockJump,
                         testing::Values(Jump{"one_day_ahead", 24h}, Jump{"one_day_back", -24h},
                                         Jump{"ten_years_ahead", ten_years},
                                         Jump{"ten_years_back", -ten_years}),
                         [](const auto& tested) { return std::string(tested.param.name); });

std::string write_dates(const Record& record) {
  std::string text = to_text(record.reserved_at);
  for (const auto& date : {record.sending_at, record.accepted_at, record.finished_at}) {
    text += ", " + (date ? to_text(*date) : "-");
  }
  return text;
}

TEST_F(LedgerTest, RedateCorrectsDatesOfTheFutureByTheLedgersTime) {
  const auto wrong = noon + ten_years;
  leave_row(ledger(), a_claim("before"), completed, in_boot(noon, 1h));
  leave_row(ledger(), a_claim("wrong"), completed, in_boot(wrong, 2h));
  // The clock is corrected in the middle of the third task.
  const auto owned = reservation_of(ledger().claim(a_claim("both"), in_boot(wrong, 3h)));
  ASSERT_TRUE(ledger().move(owned.row(), sending, {.at = in_boot(wrong, 3h)}));
  ASSERT_TRUE(ledger().move(owned.row(), accepted, {.at = in_boot(noon + 3h, 4h), .task_id = "B"}));
  const auto changes = ledger().redate(in_boot(noon + 5h, 6h));
  ASSERT_TRUE(changes && *changes);
  ASSERT_EQ((*changes)->size(), 2U);
  EXPECT_EQ((*changes)->at(0).before.reserved_at, wrong);
  EXPECT_EQ((*changes)->at(0).after.reserved_at, noon + 1h);
  const auto at = [](std::chrono::hours hours) { return to_text(noon + hours); };
  EXPECT_EQ(write_dates(row(1)), at(0h) + ", " + at(0h) + ", " + at(0h) + ", " + at(0h));
  EXPECT_EQ(write_dates(row(2)), at(1h) + ", " + at(1h) + ", " + at(1h) + ", " + at(1h));
  EXPECT_EQ(write_dates(row(3)), at(2h) + ", " + at(2h) + ", " + at(3h) + ", -");
  const auto again = ledger().redate(in_boot(noon + 5h, 6h));
  ASSERT_TRUE(again && *again);
  EXPECT_TRUE((*again)->empty());
}

TEST_F(LedgerTest, RedateChangesNoBudget) {
  leave_row(ledger(), a_claim("wrong", 60), completed, in_boot(noon + ten_years, 1h));
  ASSERT_TRUE(ledger().redate(in_boot(noon, 2h)));
  EXPECT_EQ(kind_of(ledger().claim(within(99), in_boot(noon, 25h - 1ms))), "budget-exceeded");
  EXPECT_EQ(kind_of(ledger().claim(within(99), in_boot(noon, 25h))), "reservation");
}

// --- Play money ------------------------------------------------------------------------------

TEST_F(LedgerTest, PlayMoneyAndMoneyHaveBudgetsOfTheirOwn) {
  const auto at_simulator = [](Claim claim) {
    claim.record.api_url = "http://127.0.0.1:8080/v1";
    return claim;
  };
  auto uri = within(100, 40, "uri");
  uri.record.by_uri = true;
  uri.uri_budget = 40;
  leave_row(ledger(), at_simulator(a_claim("play", 60)), completed);
  leave_row(ledger(), at_simulator(uri), completed);
  leave_row(ledger(), a_claim("paid", 50), completed);
  // 100 credits of play money and 50 real credits are spent.
  EXPECT_EQ(kind_of(ledger().claim(within(89), noon)), "budget-exceeded");
  EXPECT_EQ(kind_of(ledger().claim(at_simulator(within(139)), noon)), "budget-exceeded");
  uri.record.intent = "another uri";
  EXPECT_EQ(kind_of(ledger().claim(at_simulator(uri), noon)), "budget-exceeded");
  EXPECT_EQ(kind_of(ledger().claim(uri, noon)), "reservation") << "no URI has spent real credits";
  EXPECT_EQ(kind_of(ledger().claim(within(130), noon)), "reservation");
  EXPECT_EQ(kind_of(ledger().claim(at_simulator(within(140, 40, "more")), noon)), "reservation");
}

// --- Limits on spending ----------------------------------------------------------------------

// The owner died before the submission was sent, so the reservation costs nothing.
TEST_F(LedgerTest, ADeadReservationHoldsNoBudget) {
  leave_row(ledger(), a_claim("dead", 60), reserved);
  EXPECT_EQ(kind_of(ledger().claim(within(99), noon)), "reservation");
}

TEST_F(LedgerTest, TheUriBudgetCountsUrisAndTheDailyOneAll) {
  leave_row(ledger(), a_claim("by hand", 60), completed);
  auto uri = a_claim("first uri");
  uri.record.by_uri = true;
  const auto refusal = error_of(uri);
  EXPECT_EQ(refusal.code, ErrorCode::budget_exceeded);
  EXPECT_THAT(refusal.message, HasSubstr("VEO_URI_BUDGET"));

  uri.uri_budget = 79;
  leave_row(ledger(), uri, completed);
  uri.record.intent = "second uri";
  EXPECT_THAT(error_of(uri).message, HasSubstr("40 are spent or reserved"));
  uri.uri_budget = 80;
  uri.daily_budget = 139;
  EXPECT_THAT(error_of(uri).message, HasSubstr("VEO_DAILY_BUDGET"));
  uri.daily_budget = 140;
  EXPECT_EQ(kind_of(ledger().claim(uri, noon)), "reservation");
  auto by_hand = a_claim("by hand again");
  by_hand.uri_budget = 0;
  EXPECT_EQ(kind_of(ledger().claim(by_hand, noon)), "reservation") << "no URI";
}

TEST_F(LedgerTest, AnUnknownPriceIsOverEveryBudgetAndFreeWithoutOne) {
  auto claim = within(1'000'000'000, 0);
  claim.price_is_known = false;
  EXPECT_THAT(error_of(claim).message, HasSubstr("extend_credits"));
  claim.daily_budget.reset();
  EXPECT_EQ(kind_of(ledger().claim(claim, noon)), "reservation");
}

// --- find_task(), confirm(), restore(), keep() -------------------------------------------------

Record task(const std::string& id, const std::string& intent = "") {
  auto record = a_claim(intent).record;
  record.task_id = id;
  return record;
}

/// Plays a task by its id as a job does. The service knows the task.
Result<Record> play(Ledger& ledger, const Record& record, UnixTime now) {
  auto found = ledger.find_task(record);
  if (!found) return fail(std::move(found.error()));
  if (!*found) return fail(Error{.message = "busy"});
  return ledger.confirm(record.intent, **found, now);
}

// The service does not know a mistyped id, so such an id must leave no row and settle nothing.
TEST_F(LedgerTest, ATaskThatNobodyConfirmsLeavesNoRowAndIsNoAnswer) {
  leave_row(ledger(), a_claim(), unknown);
  const auto found = ledger().find_task(task("typo", "intent"));
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->id, 0);
  EXPECT_EQ((*found)->task_id, "typo");
  EXPECT_EQ((*found)->state, accepted);
  EXPECT_EQ(states(), "unknown");
  EXPECT_EQ(kind_of(ledger().claim(a_claim(), noon)), "submit-unknown");
  const auto played = play(ledger(), task("X", "intent"), noon);
  ASSERT_TRUE(played);
  EXPECT_EQ(kind_of(ledger().claim(a_claim(), noon)), "accepted X");
}

// A user will first play the task by its id alone, and only then name the task in the line.
TEST_F(LedgerTest, ATaskThatWasPlayedAloneCanStillBeTheAnswer) {
  const auto id = leave_row(ledger(), a_claim(), unknown);
  const auto alone = play(ledger(), task("X"), noon);
  ASSERT_TRUE(alone);
  EXPECT_NE(alone->id, id);
  const auto played = play(ledger(), task("X", "intent"), noon);
  ASSERT_TRUE(played);
  EXPECT_EQ(played->id, id);
  EXPECT_EQ(states(), "accepted") << "the task has more than one row";
  EXPECT_EQ(kind_of(ledger().claim(a_claim(), noon)), "accepted X");
}

TEST_F(LedgerTest, AForeignTaskIsRecordedWithoutAnIntentAndWithoutACost) {
  const auto played = play(ledger(), task("X", "intent"), noon);
  ASSERT_TRUE(played) << played.error().message;
  EXPECT_EQ(played->state, accepted);
  EXPECT_EQ(played->task_id, "X");
  const auto record = row(played->id);
  EXPECT_EQ(record.intent, "") << "the task may belong to another request";
  EXPECT_EQ(record.credits, 0U);
  EXPECT_EQ(record.state, accepted);
  EXPECT_EQ(record.accepted_at, noon);
  EXPECT_EQ(record.prompt, "a dog");
  // The options of the line that names a task are not those of the task.
  EXPECT_EQ(record.model + record.mode + record.resolution + record.details, "");
  EXPECT_EQ(kind_of(ledger().claim(a_claim(), noon)), "reservation");
}

TEST_F(LedgerTest, ATaskHasOneRow) {
  const auto first = play(ledger(), task("X"), noon);
  ASSERT_TRUE(first);
  const auto again = play(other(), task("X"), noon + 1h);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->id, first->id);
  EXPECT_EQ(again->accepted_at, noon);

  auto elsewhere = task("X");
  elsewhere.api_url = "https://other.example/v1";
  const auto namesake = play(ledger(), elsewhere, noon);
  ASSERT_TRUE(namesake);
  EXPECT_NE(namesake->id, first->id) << "a task of another service";
  EXPECT_EQ(states(), "accepted accepted");
}

TEST_F(LedgerTest, ASubmittedTaskKeepsItsRow) {
  const auto id = leave_row(ledger(), a_claim(), completed);
  ASSERT_TRUE(ledger().move(id, completed, {.at = noon, .url = "https://f/v.mp4"}));
  const auto played = play(ledger(), task("T1", "another line"), noon + 1h);
  ASSERT_TRUE(played);
  EXPECT_EQ(played->id, id);
  EXPECT_EQ(played->state, completed);
  EXPECT_EQ(played->url, "https://f/v.mp4");
  EXPECT_EQ(played->credits, 40U);
  EXPECT_EQ(states(), "completed");
}

class PlayAsAnswer : public LedgerTest, public testing::WithParamInterface<RecordState> {};
TEST_P(PlayAsAnswer, SettlesAnUnknownSubmission) {
  const auto id = leave_row(ledger(), a_claim(), GetParam());
  const auto played = play(ledger(), task("X", "intent"), noon + 1h);
  ASSERT_TRUE(played) << played.error().message;
  EXPECT_EQ(played->id, id);
  EXPECT_EQ(played->state, accepted);
  EXPECT_EQ(played->task_id, "X");
  EXPECT_EQ(played->credits, 40U) << "the submission was paid after all";
  const auto record = row(id);
  EXPECT_EQ(record.state, accepted);
  EXPECT_EQ(record.task_id, "X");
  EXPECT_EQ(record.accepted_at, noon + 1h);
  EXPECT_EQ(kind_of(ledger().claim(a_claim(), noon + 1h)), "accepted X") << "without its id";
  EXPECT_EQ(states(), "accepted");
}
INSTANTIATE_TEST_SUITE_P(LeftBehind, PlayAsAnswer, testing::Values(unknown, sending),
                         name_of_state);

TEST_F(LedgerTest, ALiveSubmissionIsAnsweredByItsOwnerAlone) {
  const auto owned = reservation_of(ledger().claim(a_claim(), noon));
  ASSERT_TRUE(ledger().move(owned.row(), sending, {.at = noon}));
  const auto played = play(ledger(), task("X", "intent"), noon);
  ASSERT_TRUE(played);
  EXPECT_NE(played->id, owned.row());
  EXPECT_EQ(states(), "sending accepted");
  ASSERT_TRUE(ledger().move(owned.row(), accepted, {.at = noon, .task_id = "T"}));
  EXPECT_EQ(kind_of(ledger().claim(a_claim(), noon)), "accepted T");
}

CachedClip a_clip(const std::string& task_id) {
  return {.identity = {.api_url = "https://api.example/v1", .task_id = task_id, .intent = "intent"},
          .sha256 = std::string(64, 'a'),
          .size = 5'000'000'000,
          .path = "/cache/" + task_id + ".mp4"};
}

TEST_F(LedgerTest, AClipFromTheCacheStandsForItsIntentAtNoCost) {
  {
    const auto owned = reservation_of(ledger().claim(a_claim(), noon));
    ASSERT_TRUE(ledger().restore(owned, a_clip("old"), noon + 1s));
  }
  const auto found = ledger().claim(a_claim(), noon);
  ASSERT_EQ(kind_of(found), "completed old");
  const auto& record = std::get<Record>(*found);
  EXPECT_EQ(record.credits, 0U);
  EXPECT_EQ(record.clip_sha256, std::string(64, 'a'));
  EXPECT_EQ(record.clip_size, 5'000'000'000U);
  EXPECT_EQ(record.clip_path, "/cache/old.mp4");
  EXPECT_EQ(record.finished_at, noon + 1s);
  EXPECT_EQ(kind_of(ledger().claim(within(40), noon)), "reservation") << "it costs nothing";
}

TEST_F(LedgerTest, KeepsWhereTheClipIs) {
  const auto id = leave_row(ledger(), a_claim(), completed);
  const auto before = row(id);
  ASSERT_TRUE(ledger().keep(id, a_clip("T1")));
  const auto record = row(id);
  EXPECT_EQ(record.clip_sha256, std::string(64, 'a'));
  EXPECT_EQ(record.clip_size, 5'000'000'000U);
  EXPECT_EQ(record.clip_path, "/cache/T1.mp4");
  EXPECT_EQ(record.state, completed);
  EXPECT_EQ(record.credits, 40U);
  EXPECT_EQ(record.finished_at, before.finished_at);
}

// The service's incomplete answer may have contained the task id. The user is told to set this id.
TEST_F(LedgerTest, TheTaskThatAnUnknownRowNamesSettlesIt) {
  const auto owned = reservation_of(ledger().claim(a_claim(), noon));
  test::lead(ledger(), owned.row(), sending);
  const Error lost{.code = ErrorCode::submit_unknown, .message = "Half an answer."};
  ASSERT_TRUE(ledger().move(owned.row(), unknown, {.at = noon, .task_id = "X", .error = lost}));
  const auto played = play(ledger(), task("X", "intent"), noon + 1h);
  ASSERT_TRUE(played) << played.error().message;
  EXPECT_EQ(played->id, owned.row());
  EXPECT_EQ(played->state, accepted);
  EXPECT_EQ(states(), "accepted");
  EXPECT_EQ(kind_of(ledger().claim(a_claim(), noon + 1h)), "accepted X");
  EXPECT_TRUE(ledger().move(owned.row(), completed, {.at = noon + 2h}));
}

TEST_F(LedgerTest, ASettledRowHasNoError) {
  const auto owned = reservation_of(ledger().claim(a_claim(), noon));
  test::lead(ledger(), owned.row(), sending);
  const Error lost{.code = ErrorCode::submit_unknown, .message = "Lost."};
  ASSERT_TRUE(ledger().move(owned.row(), unknown, {.at = noon, .error = lost}));
  const auto played = play(ledger(), task("X", "intent"), noon + 1h);
  ASSERT_TRUE(played);
  EXPECT_EQ(played->error, "");
  EXPECT_EQ(row(owned.row()).error, "");
  EXPECT_EQ(row(owned.row()).finished_at, std::nullopt) << "it runs";
}

TEST_F(LedgerTest, AClipOfARowThatIsNotThereIsAnError) {
  EXPECT_FALSE(ledger().keep(7, a_clip("T")));
}

// --- generation_times() ----------------------------------------------------------------------

TEST_F(LedgerTest, KnowsHowLongTasksOfAKindTook) {
  for (int i = 0; i < 60; ++i) {
    const auto id = leave_row(ledger(), a_claim("fast " + std::to_string(i)), completed);
    ASSERT_TRUE(
        ledger().move(id, completed, {.at = noon, .generation_time = std::chrono::seconds(i)}));
  }
  auto slow = a_claim("slow");
  slow.record.mode = "quality";
  const auto id = leave_row(ledger(), slow, completed);
  ASSERT_TRUE(ledger().move(id, completed, {.at = noon, .generation_time = 1h}));
  leave_row(ledger(), a_claim("of no known time"), completed);

  const auto fast = ledger().generation_times(a_claim().record);
  ASSERT_TRUE(fast);
  ASSERT_EQ(fast->size(), 50U) << "the newest";
  EXPECT_EQ(fast->front(), 59s);
  EXPECT_EQ(fast->back(), 10s);
  EXPECT_EQ(*ledger().generation_times(slow.record), std::vector<std::chrono::milliseconds>{1h});
  slow.record.api_url = "https://other.example/v1";
  EXPECT_TRUE(ledger().generation_times(slow.record)->empty());
}

// --- find(), get(), move() -------------------------------------------------------------------

class Find : public LedgerTest, public testing::WithParamInterface<RecordState> {};
TEST_P(Find, GivesTheRecordThatAClaimWouldUseAndChangesNothing) {
  const auto id = leave_row(ledger(), of_instance("a"), GetParam());
  const auto before = dump(id);
  const bool joins = GetParam() == accepted || GetParam() == completed;
  for (const auto& [intent, instance, there] : {std::tuple{"intent", "", joins},
                                                {"intent", "a", joins},
                                                {"intent", "b", false},
                                                {"other", "", false}}) {
    const auto found = ledger().find(intent, instance);
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(found->has_value(), there) << intent << " " << instance;
    EXPECT_EQ(found->value_or(Record{.id = id}).id, id);
  }
  EXPECT_EQ(dump(id), before);
}
INSTANTIATE_TEST_SUITE_P(All, Find, testing::ValuesIn(all_states), name_of_state);

TEST_F(LedgerTest, ARowThatIsNotThereIsAnError) {
  for (const auto& outcome : {ledger().get(7).map([](const Record&) {}),
                              ledger().move(7, sending, {.at = noon}).map([] {})}) {
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, ErrorCode::ledger);
    EXPECT_THAT(outcome.error().message, HasSubstr(path_));
  }
  EXPECT_EQ(states(), "");
}

class Move : public LedgerTest, public testing::WithParamInterface<RecordState> {};
TEST_P(Move, AllowsExactlyTheTransitionsOfTheTable) {
  for (const auto from : all_states) {
    const auto owned = reservation_of(ledger().claim(a_claim(std::string(nick(from))), noon));
    test::lead(ledger(), owned.row(), from);
    const auto before = dump(owned.row());
    const bool allowed =
        from == GetParam() || std::ranges::count(list_states_before(GetParam()), from) > 0;
    const auto moved = ledger().move(owned.row(), GetParam(),
                                     {.at = noon + 1h, .task_id = "N", .url = "https://n"});
    ASSERT_EQ(moved.has_value(), allowed) << nick(from);
    if (allowed) {
      EXPECT_EQ(row(owned.row()).state, GetParam()) << nick(from);
      EXPECT_EQ(row(owned.row()).task_id, "N") << nick(from);
    } else {
      EXPECT_EQ(moved.error().code, ErrorCode::ledger);
      EXPECT_THAT(moved.error().message, HasSubstr(std::string(nick(GetParam()))));
      EXPECT_EQ(dump(owned.row()), before) << nick(from);
    }
  }
}
INSTANTIATE_TEST_SUITE_P(All, Move, testing::ValuesIn(all_states), name_of_state);

TEST_F(LedgerTest, EachStateHasItsTimeAndTheFirstReservationCounts) {
  const auto owned = reservation_of(ledger().claim(a_claim(), noon));
  const auto go = [&](RecordState to, std::chrono::seconds at) {
    ASSERT_TRUE(ledger().move(owned.row(), to, {.at = noon + at}));
  };
  go(sending, 1s);
  go(reserved, 2s);
  EXPECT_EQ(row(owned.row()).reserved_at, noon);
  EXPECT_EQ(row(owned.row()).sending_at, noon + 1s);
  go(sending, 3s);
  go(accepted, 4s);
  go(completed, 5s);
  const auto record = row(owned.row());
  EXPECT_EQ(record.reserved_at, noon);
  EXPECT_EQ(record.sending_at, noon + 3s);
  EXPECT_EQ(record.accepted_at, noon + 4s);
  EXPECT_EQ(record.finished_at, noon + 5s);
}

TEST_F(LedgerTest, AChangeKeepsTheOtherColumns) {
  const auto owned = reservation_of(ledger().claim(a_claim(), noon));
  const auto id = owned.row();
  ASSERT_TRUE(ledger().move(id, sending, {.at = noon}));
  const Error lost{.code = ErrorCode::submit_unknown, .message = "It's \"lost\"."};
  ASSERT_TRUE(
      ledger().move(id, unknown, {.at = noon, .task_id = "T", .error = lost, .balance = 1620.5}));
  auto record = row(id);
  EXPECT_EQ(record.error, "submit-unknown");
  EXPECT_EQ(record.error_message, "It's \"lost\".");
  EXPECT_EQ(record.balance, 1620.5);

  ASSERT_TRUE(ledger().move(id, accepted, {.at = noon}));
  ASSERT_TRUE(ledger().move(id, completed, {.at = noon, .url = "https://f/1"}));
  ASSERT_TRUE(ledger().move(id, completed, {.at = noon}));
  record = row(id);
  EXPECT_EQ(record.task_id, "T");
  EXPECT_EQ(record.url, "https://f/1");
  EXPECT_EQ(record.balance, 1620.5);
  EXPECT_EQ(record.error, "") << "a later state clears the error";
  EXPECT_EQ(record.error_message, "");
}

// A resubmitted row has a successor. A late answer must not bring the row back.
TEST_F(LedgerTest, ASupersededRowCannotBeAccepted) {
  const auto owned = reservation_of(ledger().claim(a_claim(), noon));
  test::lead(ledger(), owned.row(), unknown);
  const auto successor = reservation_of(ledger().claim(resubmitting(), noon));
  EXPECT_FALSE(ledger().move(owned.row(), accepted, {.at = noon, .task_id = "late"}));
  EXPECT_EQ(states(), "superseded reserved");
}

// The schema is the last protection, in case all other checks are wrong.
TEST_F(LedgerTest, TheSchemaItselfRefusesASecondCharge) {
  leave_row(ledger(), a_claim(), accepted);
  EXPECT_THROW(
      test::query(path_,
                  "INSERT INTO submission (intent, instance, request, state, credits, api_url, "
                  "account, model, mode, resolution, prompt, parent_task_id, details, key_mark, "
                  "by_uri, reserved_at) SELECT intent, instance, request, 'reserved', "
                  "credits, api_url, "
                  "account, model, mode, resolution, prompt, parent_task_id, details, key_mark, "
                  "by_uri, reserved_at FROM submission"),
      std::runtime_error);
  EXPECT_EQ(states(), "accepted");
}

// --- A ledger that lacks what was recorded -------------------------------------------------------

/// A ledger with two tasks, and a copy with the first of them in its place.
class OlderLedger : public LedgerTest {
 protected:
  OlderLedger() {
    leave_row(ledger(), a_claim("first"), completed);
    test::query(path_, "PRAGMA wal_checkpoint(TRUNCATE)");
    std::filesystem::copy_file(path_, copy_);
    leave_row(ledger(), a_claim("second"), completed);
    test::query(path_, "PRAGMA wal_checkpoint(TRUNCATE)");
    ledger_.reset();
    std::filesystem::rename(copy_, path_);
  }
  const std::string copy_ = directory_.file("copy.db");
};

TEST_F(OlderLedger, GrantsNoClaimThatSubmits) {
  const auto error = error_of(a_claim("second"));
  EXPECT_EQ(error.code, ErrorCode::ledger);
  EXPECT_EQ(error.charged, Charged::no);
  // The submission's row was reserved, sent, accepted and completed.
  EXPECT_THAT(error.message, AllOf(HasSubstr(path_), HasSubstr("4 recorded changes are missing"),
                                   HasSubstr("Nothing was sent, and nothing is paid."),
                                   HasSubstr("veo ledger accept")));
  EXPECT_EQ(states(), "completed");
}

TEST_F(OlderLedger, StillFindsWhatItKnows) {
  EXPECT_EQ(kind_of(ledger().claim(a_claim("first"), noon)), "completed T1");
  EXPECT_EQ(*ledger().find_gap(), LedgerGap{.missing = 4});
}

TEST_F(OlderLedger, StillTakesAClipOfTheCache) {
  auto claim = a_claim("second");
  claim.restores = true;
  EXPECT_EQ(kind_of(ledger().claim(claim, noon)), "reservation");
}

TEST_F(OlderLedger, SubmitsAfterTheUsersDecision) {
  const auto id = ledger().identity().id;
  const auto accepted = ledger().accept(noon);
  ASSERT_TRUE(accepted && *accepted);
  EXPECT_TRUE((*accepted)->was_needed);
  EXPECT_EQ((*accepted)->given_up, LedgerGap{.missing = 4});
  EXPECT_EQ(*ledger().find_gap(), std::nullopt);
  EXPECT_NE(ledger().identity().id, id);
  EXPECT_EQ(kind_of(ledger().claim(a_claim("second"), noon)), "reservation");
}

TEST_F(OlderLedger, ThatIsMissingIsNoticed) {
  EXPECT_EQ(Ledger::find_lost(path_), Result<std::optional<LedgerGap>>(std::nullopt));
  std::filesystem::remove(path_);
  const auto lost = Ledger::find_lost(path_);
  ASSERT_TRUE(lost && *lost);
  EXPECT_TRUE((*lost)->is_other);
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_EQ(Ledger::find_lost(directory_.file("never.db")),
            Result<std::optional<LedgerGap>>(std::nullopt));
}

// On a full disk a known task is still found.
TEST_F(LedgerTest, ATaskIsJoinedWithoutAChange) {
  leave_row(ledger(), a_claim(), completed);
  const auto changes = test::query(path_, "SELECT change_count FROM meta");
  EXPECT_EQ(kind_of(ledger().claim(a_claim(), noon + 24h)), "completed T1");
  EXPECT_EQ(test::query(path_, "SELECT change_count FROM meta"), changes);
}

TEST_F(LedgerTest, IsEstablishedByItsFirstSubmission) {
  EXPECT_EQ(ledger().is_established(), Result<bool>(false));
  auto restoring = a_claim("restored");
  restoring.restores = true;
  (void)reservation_of(ledger().claim(restoring, noon));
  ASSERT_TRUE(ledger().confirm("", task("foreign", ""), noon));
  EXPECT_EQ(ledger().is_established(), Result<bool>(false)) << "nothing was submitted";
  (void)reservation_of(ledger().claim(a_claim("new"), noon));
  EXPECT_EQ(ledger().is_established(), Result<bool>(true));
}

TEST_F(LedgerTest, IsEstablishedByTheUser) {
  test::accept(ledger());
  EXPECT_EQ(ledger().is_established(), Result<bool>(true));
}

TEST_F(LedgerTest, IsCompleteInItsMainFileAfterEachChange) {
  leave_row(ledger(), a_claim("first"), completed);
  test::wait_for_checkpoints();
  const auto copy = directory_.file("copy.db");
  std::filesystem::copy_file(path_, copy);
  EXPECT_EQ(test::states(copy), "completed");
}

TEST_F(LedgerTest, IsCopiedWithItsRows) {
  leave_row(ledger(), a_claim("first"), completed);
  leave_row(ledger(), a_claim("second"), unknown);
  const auto copy = directory_.file("copy.db");
  const auto made = ledger().back_up(copy);
  ASSERT_TRUE(made) << made.error().message;
  ASSERT_TRUE(*made);
  EXPECT_EQ((*made)->rows, 2U);
  EXPECT_EQ((*made)->tasks, 1U);
  EXPECT_EQ(test::states(copy), "completed unknown");
  EXPECT_EQ(test::query(copy, "PRAGMA journal_mode"), "delete") << "the copy has no companions";
  EXPECT_EQ(test::query(copy, "PRAGMA integrity_check"), "ok");
  const auto again = ledger().back_up(copy);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::invalid_request);
  const auto nowhere = ledger().back_up(directory_.file("missing/copy.db"));
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().code, ErrorCode::ledger);
}

// --- open(), and many claims at once -------------------------------------------------------------

TEST_F(LedgerTest, IsOneForAPathInAProcess) {
  EXPECT_EQ(test::open_ledger(path_).get(), &ledger());
  EXPECT_NE(&other(), &ledger());
  EXPECT_EQ(other().salt(), ledger().salt());
}

TEST_F(LedgerTest, HasASaltOfItsOwn) {
  EXPECT_THAT(ledger().salt(), testing::MatchesRegex("[0-9a-f]{64}"));
  EXPECT_NE(test::open_ledger(directory_.file("another.db"))->salt(), ledger().salt());
}

TEST_F(LedgerTest, AFileThatWasTakenAwayIsMadeAnew) {
  leave_row(ledger(), a_claim(), accepted);
  const auto salt = ledger().salt();
  ledger_.reset();
  for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
    std::filesystem::remove(entry.path());
  }
  EXPECT_EQ(kind_of(ledger().claim(a_claim(), noon)), "reservation");
  EXPECT_NE(ledger().salt(), salt);
  EXPECT_EQ(states(), "reserved");
}

TEST_F(LedgerTest, AFileThatTookItsPlaceIsOpened) {
  leave_row(ledger(), a_claim(), accepted);
  const auto copy = directory_.file("copy.db");
  leave_row(*test::open_ledger(copy), a_claim("other"), completed);
  test::query(copy, "PRAGMA wal_checkpoint(TRUNCATE)");
  ledger_.reset();
  for (const char* companion : {"-wal", "-shm"}) std::filesystem::remove(path_ + companion);
  std::filesystem::copy_file(copy, directory_.file("fresh.db"));
  std::filesystem::rename(directory_.file("fresh.db"), path_);
  EXPECT_EQ(kind_of(ledger().claim(a_claim("other"), noon)), "completed T1");
}

// A running job keeps the ledger with which it began. SQLite keeps the index of the WAL in a file
// beside the removed one. The removed and the new ledger must not share that index.
TEST_F(LedgerTest, AHolderOfARemovedFileDoesNotDamageTheNewOne) {
  Process process([&](const Process::Say& say) {
    const auto old = test::open_ledger(path_);
    const auto task = leave_row(*old, a_claim("old"), accepted);
    std::filesystem::remove(path_);
    const auto fresh = test::open_ledger(path_);
    test::accept(*fresh);
    for (int i = 0; i < 20; ++i) {
      say(kind_of(fresh->claim(a_claim("new " + std::to_string(i)), noon)));
    }
    say(old->move(task, completed, {.at = noon}) ? "moved" : "refused");
    say(kind_of(fresh->claim(a_claim("last"), noon)));
    say(test::query(path_, "PRAGMA integrity_check"));
    say(test::query(path_, "SELECT count(*) FROM submission"));
  });
  for (int i = 0; i < 20; ++i) EXPECT_EQ(process.line(), "reservation") << i;
  EXPECT_THAT(process.line(), testing::AnyOf("moved", "refused"));
  EXPECT_EQ(process.line(), "reservation");
  EXPECT_EQ(process.line(), "ok");
  EXPECT_EQ(process.line(), "21");
}

// The same situation, with the removed file open in another process.
TEST_F(LedgerTest, AFileThatWasTakenAwayFromAnotherProcessIsMadeAnew) {
  Process holder([&](const Process::Say& say) {
    const auto old = test::open_ledger(path_);
    leave_row(*old, a_claim("old"), accepted);
    say("there");
    ::pause();
  });
  ASSERT_EQ(holder.line(), "there");
  std::filesystem::remove(path_);
  const auto fresh = Ledger::open(path_);
  ASSERT_TRUE(fresh) << fresh.error().message;
  ASSERT_TRUE(*fresh);
  EXPECT_EQ(kind_of((*fresh)->claim(a_claim(), noon)), "ledger") << "the old one knew more";
  test::accept(**fresh);
  EXPECT_EQ(kind_of((*fresh)->claim(a_claim(), noon)), "reservation");
  EXPECT_EQ(states(), "reserved");
}

// The lock file outlives the ledger, and so does the lock of a process that owns a row of the
// removed ledger.
TEST_F(LedgerTest, ALockOfTheFileThatWasTakenAwayDoesNotDamageTheNewOne) {
  Process holder([&](const Process::Say& say) {
    const auto owned = reservation_of(test::open_ledger(path_)->claim(a_claim("old"), noon));
    say("there");
    ::pause();
  });
  ASSERT_EQ(holder.line(), "there");
  for (const char* file : {"", "-wal", "-shm"}) std::filesystem::remove(path_ + file);
  test::accept(ledger());
  const auto found = ledger().claim(a_claim("new"), noon);
  EXPECT_TRUE(found) << found.error().message;
}

TEST_F(LedgerTest, OfManyThreadsOneSubmits) {
  constexpr int count = 8;
  std::vector<std::string> found(count);
  std::atomic<int> reservations = 0;
  {
    auto& here = ledger();
    auto& there = other();
    std::vector<std::jthread> threads;
    for (int i = 0; i < count; ++i) {
      threads.emplace_back([&, i] {
        auto& mine = i % 2 == 0 ? here : there;
        for (;;) {
          auto finding = mine.claim(a_claim(), noon);
          found[static_cast<std::size_t>(i)] = kind_of(finding);
          if (finding && std::holds_alternative<Reservation>(*finding)) {
            ++reservations;
            test::lead(mine, std::get<Reservation>(*finding).row(), accepted);
          } else if (!finding || !std::holds_alternative<Later>(*finding)) {
            return;
          }
          std::this_thread::yield();
        }
      });
    }
  }
  EXPECT_EQ(reservations, 1);
  EXPECT_THAT(found, testing::Each("accepted T1"));
  EXPECT_EQ(states(), "accepted");
}

/// Claims until the outcome is clear, and submits an own reservation. Returns the first finding
/// that is not `later`.
std::string submit_once(const std::string& path, const Claim& claim) {
  const auto opened = test::open_ledger(path);
  for (;;) {
    auto found = opened->claim(claim, noon);
    const auto kind = kind_of(found);
    if (kind == "reservation") {
      test::lead(*opened, std::get<Reservation>(*found).row(), accepted);
    }
    if (kind != "later") return kind;
    ::sched_yield();
  }
}

TEST_F(LedgerTest, OfManyProcessesOneSubmits) {
  std::vector<std::unique_ptr<Process>> processes;
  for (int i = 0; i < 16; ++i) {
    processes.push_back(std::make_unique<Process>(
        [&](const Process::Say& say) { say(submit_once(path_, a_claim())); }));
  }
  std::multiset<std::string> found;
  for (const auto& process : processes) found.insert(process->line());
  EXPECT_EQ(found.count("reservation"), 1U);
  EXPECT_EQ(found.count("accepted T1"), 15U);
  EXPECT_EQ(states(), "accepted");
}

TEST_F(LedgerTest, OfManyProcessesOnlyThoseWithinTheBudgetSubmit) {
  std::vector<std::unique_ptr<Process>> processes;
  for (int i = 0; i < 16; ++i) {
    processes.push_back(std::make_unique<Process>([&, i](const Process::Say& say) {
      say(submit_once(path_, within(5 * 40 + 39, 40, std::to_string(i))));
    }));
  }
  std::multiset<std::string> found;
  for (const auto& process : processes) found.insert(process->line());
  EXPECT_EQ(found.count("reservation"), 5U);
  EXPECT_EQ(found.count("budget-exceeded"), 11U);
  EXPECT_EQ(test::query(path_, "SELECT count(*), sum(credits) FROM submission"), "5|200");
}

struct Death {
  RecordState at;
  const char* alive;
  const char* dead;
};
std::string name_of_death(const testing::TestParamInfo<Death>& tested) {
  return std::string(nick(tested.param.at));
}
class KilledProcess : public LedgerTest, public testing::WithParamInterface<Death> {};
TEST_P(KilledProcess, LeavesWhatTheTableSays) {
  Process owner([&](const Process::Say& say) {
    const auto opened = test::open_ledger(path_);
    const auto owned = reservation_of(opened->claim(a_claim(), noon));
    test::lead(*opened, owned.row(), GetParam().at);
    say("there");
    ::pause();
  });
  ASSERT_EQ(owner.line(), "there");
  EXPECT_EQ(kind_of(ledger().claim(a_claim(), noon)), GetParam().alive);
  owner.kill();
  EXPECT_EQ(kind_of(ledger().claim(a_claim(), noon)), GetParam().dead);
}
INSTANTIATE_TEST_SUITE_P(All, KilledProcess,
                         testing::Values(Death{reserved, "later", "reservation"},
                                         Death{sending, "later", "submit-unknown"},
                                         Death{unknown, "submit-unknown", "submit-unknown"},
                                         Death{accepted, "accepted T1", "accepted T1"},
                                         Death{completed, "completed T1", "completed T1"}),
                         name_of_death);

// --- Requests that differ only in white space ----------------------------------------------------

TEST_F(LedgerTest, APaidTaskWithOtherWhiteSpaceIsFound) {
  auto claim = a_claim("one");
  claim.record.prompt = "a dog";
  leave_row(ledger(), claim, RecordState::completed);
  const auto find = [this, &claim](const std::string& prompt) {
    auto like = claim.record;
    like.prompt = prompt;
    const auto found = ledger().find_similar(like);
    EXPECT_TRUE(found) << found.error().message;
    return found && *found ? (*found)->intent : std::string();
  };
  EXPECT_EQ(find("a dog "), "one");
  EXPECT_EQ(find(" \t\na dog\r\n"), "one");
  EXPECT_EQ(find("a dog"), "") << "the same prompt is the same request, or another take";
  EXPECT_EQ(find("a  dog"), "");
  EXPECT_EQ(find("A dog"), "");
  EXPECT_EQ(find(" "), "");
}

TEST_F(LedgerTest, OnlyAPaidTaskOfTheSameRequestIsSimilar) {
  int number = 0;
  for (const auto state : {RecordState::failed, RecordState::released, RecordState::unknown}) {
    auto claim = a_claim("intent " + std::to_string(++number));
    claim.record.prompt = "a dog";
    leave_row(ledger(), claim, state);
    auto like = claim.record;
    like.prompt = "a dog ";
    const auto found = ledger().find_similar(like);
    ASSERT_TRUE(found);
    EXPECT_FALSE(*found) << nick(state);
  }
  auto claim = a_claim("paid");
  claim.record.prompt = "a dog";
  leave_row(ledger(), claim, RecordState::accepted);
  for (auto member : {&Record::mode, &Record::resolution, &Record::details, &Record::api_url,
                      &Record::account, &Record::model, &Record::parent_task_id}) {
    auto like = claim.record;
    like.prompt = "a dog ";
    like.*member += "other";
    const auto found = ledger().find_similar(like);
    ASSERT_TRUE(found);
    EXPECT_FALSE(*found) << like.mode << like.resolution << like.details << like.api_url;
  }
}

}  // namespace
}  // namespace veo
