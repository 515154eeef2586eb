// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The real command under wrong clocks (libfaketime) against the simulator: what is charged, and
// which dates people see.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "shell.h"

namespace veo::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

constexpr const char* faketime = "/usr/bin/faketime";

/// Waits until the condition holds. Returns false after 30 s.
template <class Condition>
bool wait_until(Condition is_met) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!is_met()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

struct Clock {
  const char* name;
  const char* offset;  // as faketime reads it
  int years;
  bool keeps_monotonic;  // the monotonic clocks of the process are real
};

class ClockTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::access(faketime, X_OK) != 0) GTEST_SKIP() << "faketime is not installed";
  }

  [[nodiscard]] Program::Settings settings(std::vector<std::string> args) const {
    auto settings = shell_.settings(args);
    settings.env["VEO_DAILY_BUDGET"] = "100";  // two videos of 40 credits
    return settings;
  }
  [[nodiscard]] Program::Ended veo(const std::vector<std::string>& args) const {
    return Program(settings(args)).wait();
  }
  /// Runs `veo` under a wrong clock.
  [[nodiscard]] Program::Ended veo_at(const Clock& clock,
                                      const std::vector<std::string>& args) const {
    auto wrong = settings(args);
    const std::vector<std::string> begin{faketime, "-m", "-f", clock.offset};
    wrong.args.insert(wrong.args.begin(), begin.begin(), begin.end());
    if (clock.keeps_monotonic) wrong.env["FAKETIME_DONT_FAKE_MONOTONIC"] = "1";
    return Program(wrong).wait();
  }
  [[nodiscard]] Program::Ended make(const std::string& prompt) const {
    return veo({"generate", prompt, "-o", "clip.mp4"});
  }
  [[nodiscard]] int charges() const { return simulator_.state().at("charges").get<int>(); }
  /// The dates of the reservations, the newest row first, as years from now.
  [[nodiscard]] std::vector<int> years() const {
    const std::chrono::year_month_day today(
        std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now()));
    std::vector<int> found;
    for (const auto& object : json_lines(shell_.veo({"history", "--json"}).output)) {
      if (object.at("event") != "record") continue;
      const auto date = object.at("reserved-at").get<std::string>();
      found.push_back(std::stoi(date.substr(0, 4)) - static_cast<int>(today.year()));
    }
    return found;
  }
  /// Lets the ledger see a day pass, as if the machine had been up for a day longer.
  void pass_a_day() const {
    sqlite3* raw = nullptr;
    ASSERT_EQ(sqlite3_open(shell_.ledger().c_str(), &raw), SQLITE_OK);
    const std::unique_ptr<sqlite3, decltype(&sqlite3_close)> database(raw, &sqlite3_close);
    ASSERT_EQ(
        sqlite3_exec(raw, "UPDATE clock SET uptime = uptime - 86400000", nullptr, nullptr, nullptr),
        SQLITE_OK)
        << sqlite3_errmsg(raw);
  }

  Simulator simulator_ = start_simulator("0s");
  Shell shell_{simulator_};
};

class WrongClock : public ClockTest, public testing::WithParamInterface<Clock> {};

TEST_P(WrongClock, MakesNoBudgetNewAndUsesNoneUp) {
  ASSERT_EQ(make("a dog").exit_code, 0);
  const auto wrong = veo_at(GetParam(), {"generate", "a cat", "-o", "cat.mp4"});
  ASSERT_EQ(wrong.exit_code, 0) << wrong;
  EXPECT_EQ(charges(), 2);
  const auto over = veo_at(GetParam(), {"generate", "a bird", "-o", "bird.mp4"});
  EXPECT_EQ(over.exit_code, 4) << over;
  EXPECT_THAT(over.errors, HasSubstr("80 are spent"));
  EXPECT_EQ(make("a bird").exit_code, 4) << "the clock is right again";
  EXPECT_EQ(charges(), 2);
  EXPECT_THAT(years(), testing::ElementsAre(GetParam().years, 0));

  pass_a_day();
  const auto day_after = make("a bird");
  EXPECT_EQ(day_after.exit_code, 0) << day_after;
  EXPECT_THAT(years(), testing::ElementsAre(0, GetParam().years, 0))
      << "no row takes its date from another";
  EXPECT_EQ(charges(), 3);
}

TEST_P(WrongClock, RepeatsNoCharge) {
  ASSERT_EQ(make("a dog").exit_code, 0);
  EXPECT_EQ(veo_at(GetParam(), {"generate", "a dog", "-o", "same.mp4"}).exit_code, 0);
  EXPECT_EQ(veo_at(GetParam(), {"generate", "a cat", "-o", "cat.mp4"}).exit_code, 0);
  EXPECT_EQ(make("a cat").exit_code, 0);
  EXPECT_EQ(charges(), 2);
}

TEST_P(WrongClock, IsCorrectedByRedate) {
  ASSERT_EQ(veo_at(GetParam(), {"generate", "a cat", "-o", "cat.mp4"}).exit_code, 0);
  const auto redated = veo({"ledger", "redate"});
  EXPECT_EQ(redated.exit_code, 0) << redated;
  if (GetParam().years > 0) {
    EXPECT_THAT(redated.output, AllOf(StartsWith("Row 1, task "), HasSubstr(" is now "),
                                      HasSubstr("1 row of " + shell_.ledger())));
    EXPECT_THAT(years(), testing::ElementsAre(0));
  } else {
    EXPECT_THAT(redated.output, HasSubstr("Nothing was changed"));
    EXPECT_THAT(years(), testing::ElementsAre(GetParam().years));
  }
  EXPECT_THAT(veo({"ledger", "redate", "--json"}).output, IsEmpty());
}

// The service's replicas may not know a new task for a moment. The age of the task decides whether
// the answer is final.
TEST_P(WrongClock, EndsNoWaitForATaskThatIsNotKnownYet) {
  simulator_.set_faults({"query:stall"});
  Program first(settings({"generate", "a dog", "-o", "dog.mp4"}));
  ASSERT_TRUE(wait_until([&] { return shell_.recorded("accepted") == 1; }));
  first.kill(SIGKILL);
  (void)first.wait();
  simulator_.set_faults({"query:error=task_not_found*1"});
  const auto again = veo_at(GetParam(), {"generate", "a dog", "-o", "dog.mp4"});
  EXPECT_EQ(again.exit_code, 0) << again;
  EXPECT_EQ(charges(), 1);
}

INSTANTIATE_TEST_SUITE_P(
    All, WrongClock,
    testing::Values(Clock{"ten_years_ahead", "+3653d", 10, true},
                    Clock{"ten_years_ahead_on_all_clocks", "+3653d", 10, false},
                    Clock{"ten_years_back", "-3653d", -10, true},
                    Clock{"ten_years_back_on_all_clocks", "-3653d", -10, false}),
    [](const auto& tested) { return std::string(tested.param.name); });

class JumpingClock : public ClockTest, public testing::WithParamInterface<const char*> {};

TEST_P(JumpingClock, EndsNoSubmissionAndNoWait) {
  const auto offset = shell_.file("offset");
  std::ofstream(offset) << "+0\n";
  auto started = settings({});
  // The library reads the file each time that the program asks for the time. FAKETIME would have
  // priority.
  started.args = {"/bin/bash", "-c",
                  "export LD_PRELOAD=$(faketime -m -f +0 printenv LD_PRELOAD); unset FAKETIME; "
                  "exec \"$VEO_COMMAND\" generate 'a dog' -o dog.mp4"};
  started.env["FAKETIME_TIMESTAMP_FILE"] = offset;
  started.env["FAKETIME_NO_CACHE"] = "1";
  started.env["FAKETIME_DONT_FAKE_MONOTONIC"] = "1";
  const auto jump = [&] { std::ofstream(offset) << GetParam() << "\n"; };
  simulator_.set_faults({"submit:delay=500ms", "query:delay=500ms"});
  Program running(started);
  // The row is written right before the POST.
  ASSERT_TRUE(wait_until([&] { return shell_.recorded("sending") == 1; }));
  jump();
  const auto ended = running.wait();
  EXPECT_EQ(ended.exit_code, 0) << ended;
  EXPECT_EQ(charges(), 1);
  const auto record = json_lines(shell_.veo({"history", "--json"}).output).at(0);
  EXPECT_EQ(record.at("status"), "completed");
  const auto day = [&](const char* date) {
    return record.at(date).get<std::string>().substr(0, 10);
  };
  EXPECT_NE(day("reserved-at"), day("finished-at")) << "the process has not seen the jump";
}

INSTANTIATE_TEST_SUITE_P(All, JumpingClock, testing::Values("+3653d", "-3653d", "+1d", "-1d"),
                         [](const auto& tested) {
                           const std::string text = tested.param;
                           return (text[0] == '+' ? "ahead_" : "back_") + text.substr(1);
                         });

}  // namespace
}  // namespace veo::test
