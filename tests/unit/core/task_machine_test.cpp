// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/task_machine.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "veo/core/error_table.h"

namespace veo {
namespace {

using namespace std::chrono_literals;
using Kind = TaskMachine::Command::Kind;
using State = TaskMachine::State;

const TaskMachine::Time t0 = TaskMachine::Time{} + 1000h;

Submitted accepted_as(std::string id) {
  return {.kind = Submitted::Kind::accepted, .task_id = std::move(id)};
}
Submitted ended(Submitted::Kind kind, ErrorCode code,
                std::optional<std::chrono::seconds> retry_after = std::nullopt) {
  return {.kind = kind,
          .retry_after = retry_after,
          .error = {.code = code, .message = std::string(nick(code))}};
}
Result<TaskReport> report(TaskStatus status) {
  TaskReport it{.id = "T", .status = status};
  if (status == TaskStatus::completed) it.urls = {"https://f.example/v.mp4"};
  if (status == TaskStatus::failed) {
    it.failure = Error{.code = ErrorCode::task_failed,
                       .service_code = "upstream_error",
                       .charged = Charged::refunded};
  }
  return it;
}
Result<TaskReport> trouble(ErrorCode code) {
  return fail({.code = code, .message = "the last trouble"});
}

TaskMachine::Settings plain() {
  return {.retries = 2, .poll_interval = 1000ms, .generation_timeout = 100s};
}

/// Makes a machine whose task T was accepted at t0, and which queries T at t0 + 1 s.
TaskMachine querying(TaskMachine::Settings settings = plain()) {
  TaskMachine machine(settings);
  (void)machine.submit(t0);
  (void)machine.on_submitted(accepted_as("T"), t0, 0);
  EXPECT_EQ(machine.on_timer(t0 + 1s).kind, Kind::send_query);
  return machine;
}

TEST(TaskMachine, SubmitsPollsAndCompletes) {
  TaskMachine machine(plain());
  EXPECT_EQ(machine.status(), TaskStatus::none);
  EXPECT_EQ(machine.submit(t0).kind, Kind::send_submission);

  auto command = machine.on_submitted(accepted_as("T"), t0 + 2s, 0.5);
  EXPECT_EQ(command.kind, Kind::wait);
  EXPECT_EQ(command.until, t0 + 3s);
  EXPECT_EQ(machine.task_id(), "T");
  EXPECT_EQ(machine.status(), TaskStatus::pending);

  EXPECT_EQ(machine.on_timer(t0 + 3s).kind, Kind::send_query);
  command = machine.on_queried(report(TaskStatus::processing), {}, t0 + 4s, 0.5);
  EXPECT_EQ(command.kind, Kind::wait);
  EXPECT_EQ(command.until, t0 + 5s);
  EXPECT_EQ(machine.status(), TaskStatus::processing);

  EXPECT_EQ(machine.on_timer(t0 + 5s).kind, Kind::send_query);
  EXPECT_EQ(machine.on_queried(report(TaskStatus::completed), {}, t0 + 6s, 0.5).kind, Kind::finish);
  EXPECT_EQ(machine.state(), State::completed);
  EXPECT_EQ(machine.report()->urls.front(), "https://f.example/v.mp4");
  EXPECT_FALSE(machine.error());
}

TEST(TaskMachine, AKnownTaskIsQueriedAtOnceAndNeverSubmitted) {
  TaskMachine machine(plain());
  EXPECT_EQ(machine.adopt("K", t0).kind, Kind::send_query);
  EXPECT_EQ(machine.task_id(), "K");
  EXPECT_EQ(machine.status(), TaskStatus::pending);
}

TEST(TaskMachine, WakesEarlyForATimerThatCameEarly) {
  TaskMachine machine(plain());
  (void)machine.submit(t0);
  (void)machine.on_submitted(accepted_as("T"), t0, 0);
  const auto command = machine.on_timer(t0 + 500ms);
  EXPECT_EQ(command.kind, Kind::wait);
  EXPECT_EQ(command.until, t0 + 1s);
}

// The rule of money: only two outcomes lead to another submission, at most `retries` times.
struct Outcome {
  Submitted::Kind kind;
  bool sent_again;
};
class SubmissionOutcome : public testing::TestWithParam<Outcome> {};
TEST_P(SubmissionOutcome, IsSentAgainOnlyIfSurelyNotAccepted) {
  TaskMachine machine(plain());
  auto command = machine.submit(t0);
  unsigned submissions = 0;
  auto now = t0;
  while (command.kind != Kind::finish) {
    if (command.kind == Kind::send_submission) {
      ++submissions;
      command = machine.on_submitted(ended(GetParam().kind, ErrorCode::network), now, 0.9);
    } else {
      ASSERT_EQ(command.kind, Kind::wait);
      now = command.until;
      command = machine.on_timer(now);
    }
  }
  EXPECT_EQ(submissions, GetParam().sent_again ? 3U : 1U);
  EXPECT_EQ(machine.state(), State::failed);
  EXPECT_EQ(machine.error()->code, ErrorCode::network);
}
INSTANTIATE_TEST_SUITE_P(All, SubmissionOutcome,
                         testing::Values(Outcome{Submitted::Kind::not_sent, true},
                                         Outcome{Submitted::Kind::rate_limited, true},
                                         Outcome{Submitted::Kind::refused, false},
                                         Outcome{Submitted::Kind::unknown, false}));

// A certificate that is not trusted, or a refused password, is the same at the next try.
TEST(TaskMachine, DoesNotRepeatASubmissionThatCannotSucceed) {
  auto refused = ended(Submitted::Kind::not_sent, ErrorCode::network);
  refused.error.is_final = true;
  for (const auto& outcome : {refused, ended(Submitted::Kind::not_sent, ErrorCode::tls)}) {
    TaskMachine machine(plain());
    (void)machine.submit(t0);
    EXPECT_EQ(machine.on_submitted(outcome, t0, 0.0).kind, Kind::finish);
    EXPECT_EQ(machine.state(), State::failed);
    EXPECT_EQ(machine.retries(), 0U);
  }
}

TEST(TaskMachine, RetryAfterIsALowerBound) {
  TaskMachine machine(plain());
  (void)machine.submit(t0);
  const auto command = machine.on_submitted(
      ended(Submitted::Kind::rate_limited, ErrorCode::rate_limit_exceeded, 7s), t0, 0.0);
  EXPECT_EQ(command.kind, Kind::wait);
  EXPECT_EQ(command.until, t0 + 7s);
  EXPECT_EQ(machine.trouble()->code, ErrorCode::rate_limit_exceeded);
}

TEST(TaskMachine, HeldBeyondTheDeadlineFailsWithNothingCharged) {
  TaskMachine machine(plain());
  (void)machine.submit(t0);
  const auto command = machine.on_submitted(
      ended(Submitted::Kind::rate_limited, ErrorCode::rate_limit_exceeded, 500s), t0, 0.0);
  EXPECT_EQ(command.until, t0 + 100s);
  EXPECT_EQ(machine.on_timer(command.until).kind, Kind::finish);
  EXPECT_EQ(machine.error()->code, ErrorCode::timeout);
  EXPECT_EQ(machine.error()->charged, Charged::no);
}

TEST(TaskMachine, APassingTroubleOfAQueryIsRepeatedAndForgottenAfterSuccess) {
  auto machine = querying();
  auto now = t0 + 1s;
  for (int round = 0; round < 3; ++round) {
    for (int attempt = 0; attempt < 2; ++attempt) {
      const auto command = machine.on_queried(trouble(ErrorCode::internal_error), {}, now, 0.5);
      ASSERT_EQ(command.kind, Kind::wait) << round << " " << attempt;
      EXPECT_TRUE(machine.trouble());
      now = command.until;
      ASSERT_EQ(machine.on_timer(now).kind, Kind::send_query);
    }
    const auto command = machine.on_queried(report(TaskStatus::processing), {}, now, 0.5);
    ASSERT_EQ(command.kind, Kind::wait);
    EXPECT_FALSE(machine.trouble());
    now = command.until;
    ASSERT_EQ(machine.on_timer(now).kind, Kind::send_query);
  }
  EXPECT_EQ(machine.retries(), 6U);
}

// An accepted task is paid. So an outage of any length does not end the task before the generation
// timeout, and `retries` does not count.
class PassingTrouble : public testing::TestWithParam<ErrorCode> {};
TEST_P(PassingTrouble, IsRepeatedUntilTheGenerationTimeout) {
  for (const int retries : {0, 2, -1}) {
    auto settings = plain();
    settings.retries = retries;
    settings.generation_timeout = 2h;
    auto machine = querying(settings);
    auto now = t0 + 1s;
    unsigned queries = 0;
    for (TaskMachine::Command command{Kind::send_query, {}}; command.kind != Kind::finish;) {
      if (command.kind == Kind::send_query) {
        ++queries;
        command = machine.on_queried(trouble(GetParam()), {}, now, 0.5);
      } else {
        now = command.until;
        command = machine.on_timer(now);
      }
      ASSERT_TRUE(machine.trouble() || command.kind == Kind::finish);
    }
    EXPECT_EQ(now, t0 + 2h) << retries;
    EXPECT_GT(queries, 100U) << "it went on asking";
    EXPECT_EQ(machine.error()->code, ErrorCode::timeout);
    EXPECT_EQ(machine.error()->task_id, "T");
    EXPECT_EQ(machine.error()->charged, Charged::unknown);
    EXPECT_NE(machine.error()->message.find("the last trouble"), std::string::npos);
  }
}
INSTANTIATE_TEST_SUITE_P(All, PassingTrouble,
                         testing::Values(ErrorCode::network, ErrorCode::timeout,
                                         ErrorCode::rate_limit_exceeded, ErrorCode::internal_error,
                                         ErrorCode::upstream_error, ErrorCode::bad_response));

class FinalTrouble : public testing::TestWithParam<ErrorCode> {};
TEST_P(FinalTrouble, EndsAtOnce) {
  auto machine = querying();
  EXPECT_EQ(machine.on_queried(trouble(GetParam()), {}, t0 + 90s, 0.5).kind, Kind::finish);
  EXPECT_EQ(machine.error()->code, GetParam());
  EXPECT_EQ(machine.error()->task_id, "T");
}
INSTANTIATE_TEST_SUITE_P(All, FinalTrouble,
                         testing::Values(ErrorCode::invalid_api_key, ErrorCode::ip_not_allowed,
                                         ErrorCode::task_not_found, ErrorCode::tls,
                                         ErrorCode::invalid_request));

TEST(TaskMachine, AnUnknownTaskMayStillAppearForAMinute) {
  auto machine = querying();
  EXPECT_EQ(machine.on_queried(trouble(ErrorCode::task_not_found), {}, t0 + 59s, 0.5).kind,
            Kind::wait);
}

TEST(TaskMachine, ATaskIdThatIsWrongFailsAtOnce) {
  TaskMachine machine(plain());
  (void)machine.adopt("wrong", t0);
  EXPECT_EQ(machine.on_queried(trouble(ErrorCode::task_not_found), {}, t0, 0.5).kind, Kind::finish);
  EXPECT_EQ(machine.error()->message.find("goes on"), std::string::npos);
}

// If another run has just submitted the task, the service may not know the task yet.
TEST(TaskMachine, TheMinuteOfATaskThatIsJoinedCountsFromItsSubmission) {
  struct {
    TaskMachine::Time submitted;
    Kind next;
  } const cases[] = {
      {t0, Kind::wait},
      {t0 - 59'999ms, Kind::wait},
      {t0 - 60s, Kind::finish},
      {t0 - 24h, Kind::finish},
  };
  for (const auto& [submitted, next] : cases) {
    TaskMachine machine(plain());
    EXPECT_EQ(machine.adopt("K", t0, submitted).kind, Kind::send_query);
    EXPECT_EQ(machine.on_queried(trouble(ErrorCode::task_not_found), {}, t0, 0.5).kind, next)
        << (t0 - submitted).count();
    EXPECT_EQ(machine.error().has_value(), next == Kind::finish);
  }
}

// For 60 s after the submission the machine repeats the query, with any value of `retries`. If it
// gave up earlier, a paid task would count as lost.
TEST(TaskMachine, AnUnknownTaskIsAskedForUntilItsMinuteIsOver) {
  for (const int retries : {0, 5}) {
    TaskMachine machine({.retries = retries});
    auto command = machine.adopt("K", t0, t0);
    auto now = t0;
    while (command.kind != Kind::finish) {
      if (command.kind == Kind::wait) {
        now = command.until;
        command = machine.on_timer(now);
      } else {
        command = machine.on_queried(trouble(ErrorCode::task_not_found), {}, now, 0.5);
      }
    }
    EXPECT_GE(now, t0 + 60s) << retries;
    EXPECT_EQ(machine.error()->code, ErrorCode::task_not_found);
  }
}

TEST(TaskMachine, ATaskThatIsLostStaysPaidWithoutAWayToPlayIt) {
  TaskMachine machine(plain());
  (void)machine.adopt("K", t0, t0 - 61s);
  (void)machine.on_queried(trouble(ErrorCode::task_not_found), {}, t0, 0.5);
  EXPECT_EQ(machine.error()->code, ErrorCode::task_not_found);
  EXPECT_EQ(machine.error()->task_id, "K");
  EXPECT_EQ(machine.error()->charged, Charged::unknown);
  EXPECT_EQ(machine.error()->message.find("task-id"), std::string::npos);
}

TEST(TaskMachine, TheDeadlineOfATaskThatIsJoinedCountsFromTheJoining) {
  TaskMachine machine(plain());
  (void)machine.adopt("K", t0, t0 - 1h);
  EXPECT_EQ(machine.on_queried(report(TaskStatus::processing), {}, t0 + 1s, 0.5).kind, Kind::wait);
  EXPECT_EQ(machine.on_timer(t0 + 99s).kind, Kind::send_query);
  EXPECT_EQ(machine.on_queried(report(TaskStatus::processing), {}, t0 + 99s, 0.5).until, t0 + 100s);
  EXPECT_EQ(machine.on_timer(t0 + 100s).kind, Kind::finish);
  EXPECT_EQ(machine.error()->code, ErrorCode::timeout);
  EXPECT_EQ(machine.error()->task_id, "K");
}

TEST(TaskMachine, ATaskThatIsKnownToBeCompletedIsNotAskedFor) {
  TaskMachine machine(plain());
  EXPECT_EQ(machine.conclude(*report(TaskStatus::completed), t0).kind, Kind::finish);
  EXPECT_EQ(machine.state(), State::completed);
  EXPECT_EQ(machine.status(), TaskStatus::completed);
  EXPECT_EQ(machine.task_id(), "T");
  EXPECT_EQ(machine.report()->urls.front(), "https://f.example/v.mp4");
  EXPECT_FALSE(machine.error());
  // No event makes the machine query or submit again.
  EXPECT_EQ(machine.on_timer(t0 + 1h).kind, Kind::none);
  EXPECT_EQ(machine.on_hint(t0 + 1h).kind, Kind::none);
  EXPECT_EQ(machine.state(), State::completed);
}

TEST(TaskMachine, TheDeadlineNamesTheTaskAndSaysThatItGoesOn) {
  auto machine = querying();
  (void)machine.on_queried(report(TaskStatus::processing), {}, t0 + 1s, 0.5);
  (void)machine.on_timer(t0 + 99'500ms);
  (void)machine.on_queried(report(TaskStatus::processing), {}, t0 + 99'600ms, 0.5);
  EXPECT_EQ(machine.on_timer(t0 + 100s).kind, Kind::finish);
  EXPECT_EQ(machine.error()->code, ErrorCode::timeout);
  EXPECT_EQ(machine.error()->task_id, "T");
  EXPECT_NE(machine.error()->message.find("T"), std::string::npos);
  // An answer after the end changes nothing.
  EXPECT_EQ(machine.on_queried(report(TaskStatus::completed), {}, t0 + 101s, 0).kind, Kind::none);
  EXPECT_EQ(machine.state(), State::failed);
}

// --- the last query --------------------------------------------------------------------------

/// Makes a machine that is waiting: its newest answer, `processing`, came at t0 + 1 s.
TaskMachine waiting() {
  auto machine = querying();
  (void)machine.on_queried(report(TaskStatus::processing), {}, t0 + 1s, 0.5);
  return machine;
}

// The process was stopped for longer than the generation timeout. The task was completed meanwhile.
TEST(TaskMachine, AStopThatOutlastsTheTimeoutIsFollowedByALastQuery) {
  for (const auto stopped : {100s, 101s, 3600s, 360'000s}) {
    auto machine = waiting();
    ASSERT_EQ(machine.on_timer(t0 + stopped).kind, Kind::send_query) << stopped.count();
    EXPECT_EQ(machine.on_queried(report(TaskStatus::completed), {}, t0 + stopped + 1s, 0).kind,
              Kind::finish);
    EXPECT_EQ(machine.state(), State::completed);
  }
}

TEST(TaskMachine, TheAnswerToTheLastQueryDecides) {
  auto machine = waiting();
  ASSERT_EQ(machine.on_timer(t0 + 1h).kind, Kind::send_query);
  // The service answers late, but in time for a query.
  EXPECT_EQ(machine.on_queried(report(TaskStatus::processing), {}, t0 + 1h + 14s, 0).kind,
            Kind::finish);
  EXPECT_EQ(machine.error()->code, ErrorCode::timeout);
  EXPECT_EQ(machine.error()->charged, Charged::unknown);
}

// The answer `processing` came before the stop and lay in the socket. It says nothing of the time
// of the stop.
TEST(TaskMachine, AnAnswerFromBeforeTheStopDoesNotDecide) {
  auto machine = querying();
  auto command = machine.on_queried(report(TaskStatus::processing), {}, t0 + 1h, 0);
  EXPECT_EQ(command.kind, Kind::wait);
  EXPECT_LE(command.until, t0 + 1h) << "at once";
  ASSERT_EQ(machine.on_timer(t0 + 1h).kind, Kind::send_query);
  EXPECT_EQ(machine.on_queried(report(TaskStatus::completed), {}, t0 + 1h + 1s, 0).kind,
            Kind::finish);
  EXPECT_EQ(machine.state(), State::completed);
}

// On waking the timer comes first, though the answer lies in the socket.
TEST(TaskMachine, ALateTimerDoesNotEndAQuery) {
  auto machine = querying();
  const auto command = machine.on_timer(t0 + 1h);
  EXPECT_EQ(command.kind, Kind::wait);
  EXPECT_GT(command.until, t0 + 1h);
  EXPECT_EQ(machine.state(), State::querying);
  EXPECT_EQ(machine.on_queried(report(TaskStatus::completed), {}, t0 + 1h, 0).kind, Kind::finish);
  EXPECT_EQ(machine.state(), State::completed);
}

// The connection died during the stop, and the network needs a moment.
TEST(TaskMachine, AfterAStopTheLastQueryIsRepeatedForAMinute) {
  auto machine = waiting();
  auto now = t0 + 1h;
  auto command = machine.on_timer(now);
  unsigned queries = 0;
  while (command.kind != Kind::finish) {
    if (command.kind == Kind::send_query) {
      ++queries;
      command = machine.on_queried(trouble(ErrorCode::network), {}, now, 0.5);
    } else {
      now = command.until;
      command = machine.on_timer(now);
    }
  }
  EXPECT_GE(now, t0 + 1h + 50s);
  EXPECT_LE(now, t0 + 1h + 75s);
  EXPECT_GT(queries, 4U);
  EXPECT_EQ(machine.error()->code, ErrorCode::timeout);
  EXPECT_NE(machine.error()->message.find("the last trouble"), std::string::npos);
}

// The process ran all the time, and the newest answer is recent: nothing is asked again.
TEST(TaskMachine, ARecentAnswerEndsTheTimeout) {
  auto machine = querying();
  (void)machine.on_queried(report(TaskStatus::processing), {}, t0 + 1s, 0.5);
  (void)machine.on_timer(t0 + 99'100ms);
  (void)machine.on_queried(report(TaskStatus::processing), {}, t0 + 99'200ms, 0.5);
  EXPECT_EQ(machine.on_timer(t0 + 100s).kind, Kind::finish);
}

// A poll interval that is longer than the timeout is no reason to give up without asking.
TEST(TaskMachine, ALongPollIntervalEndsWithALastQuery) {
  auto settings = plain();
  settings.poll_interval = 1h;
  auto machine = TaskMachine(settings);
  (void)machine.submit(t0);
  (void)machine.on_submitted(accepted_as("T"), t0, 0);
  EXPECT_EQ(machine.on_timer(t0 + 100s).kind, Kind::send_query);
  EXPECT_EQ(machine.on_queried(report(TaskStatus::processing), {}, t0 + 101s, 0).kind,
            Kind::finish);
  EXPECT_EQ(machine.error()->code, ErrorCode::timeout);
}

// The service answers more slowly than the poll interval, so every answer is older than that. The
// last query is one query all the same.
TEST(TaskMachine, ASlowServiceIsAskedOnceMoreAndNotForEver) {
  auto settings = plain();
  settings.poll_interval = 10ms;
  auto machine = TaskMachine(settings);
  (void)machine.adopt("T", t0);
  auto now = t0;
  unsigned late = 0;
  for (TaskMachine::Command command{Kind::send_query, {}}; command.kind != Kind::finish;) {
    ASSERT_LT(now, t0 + 200s);
    if (command.kind == Kind::send_query) {
      if (now >= t0 + 100s) ++late;
      now += 3s;
      command = machine.on_queried(report(TaskStatus::processing), {}, now, 0);
    } else {
      now = std::max(now, command.until);
      command = machine.on_timer(now);
    }
  }
  EXPECT_EQ(late, 1U);
}

// A service that never answers cannot hold the machine: the last query has 15 s.
TEST(TaskMachine, ASilentQueryEndsFifteenSecondsAfterItWasSent) {
  auto machine = waiting();
  (void)machine.on_timer(t0 + 95s);
  auto command = machine.on_timer(t0 + 100s);
  EXPECT_EQ(command.kind, Kind::wait);
  EXPECT_EQ(command.until, t0 + 110s);
  EXPECT_EQ(machine.state(), State::querying);
  EXPECT_EQ(machine.on_timer(t0 + 110s).kind, Kind::finish);
  EXPECT_EQ(machine.error()->code, ErrorCode::timeout);
}

// --- completed without a video ---------------------------------------------------------------

Result<TaskReport> no_video() { return TaskReport{.id = "T", .status = TaskStatus::completed}; }

TEST(TaskMachine, AVideoThatIsMissingIsAskedForForAMinute) {
  auto settings = plain();
  settings.poll_interval = 0ms;
  auto machine = TaskMachine(settings);
  (void)machine.adopt("T", t0);
  auto now = t0;
  std::vector<TaskMachine::Time> queries;
  auto command = TaskMachine::Command{Kind::send_query, {}};
  while (command.kind != Kind::finish) {
    if (command.kind == Kind::send_query) {
      queries.push_back(now);
      command = machine.on_queried(no_video(), {}, now, 0.5);
    } else {
      EXPECT_EQ(machine.status(), TaskStatus::processing) << "there is nothing to play";
      EXPECT_TRUE(machine.trouble());
      EXPECT_FALSE(machine.has_no_video());
      now = command.until;
      command = machine.on_timer(now);
    }
  }
  EXPECT_EQ(now, t0 + 60s);
  EXPECT_EQ(queries.size(), 13U) << "each 5 s";
  EXPECT_EQ(machine.retries(), 0U);
  EXPECT_TRUE(machine.has_no_video());
  EXPECT_EQ(machine.state(), State::failed);
  const auto& error = *machine.error();
  EXPECT_EQ(error.code, ErrorCode::task_failed);
  EXPECT_EQ(error.charged, Charged::unknown);
  EXPECT_EQ(error.task_id, "T");
  EXPECT_NE(error.message.find("take=2"), std::string::npos) << error.message;
}

TEST(TaskMachine, AVideoThatAppearsWithinTheMinuteIsPlayed) {
  auto machine = querying();
  (void)machine.on_queried(no_video(), {}, t0 + 2s, 0);
  EXPECT_EQ(machine.on_timer(t0 + 50s).kind, Kind::send_query);
  EXPECT_EQ(machine.on_queried(report(TaskStatus::completed), {}, t0 + 51s, 0).kind, Kind::finish);
  EXPECT_EQ(machine.state(), State::completed);
  EXPECT_FALSE(machine.has_no_video());
  EXPECT_FALSE(machine.error());
}

// The generation is over, so its timeout does not count any more.
TEST(TaskMachine, TheMinuteForAVideoMayOutlastTheGenerationTimeout) {
  auto machine = querying();
  (void)machine.on_queried(no_video(), {}, t0 + 99s, 0);
  EXPECT_EQ(machine.on_timer(t0 + 120s).kind, Kind::send_query);
  EXPECT_EQ(machine.on_queried(no_video(), {}, t0 + 121s, 0).kind, Kind::wait);
  EXPECT_EQ(machine.on_timer(t0 + 159s).kind, Kind::send_query);
  EXPECT_EQ(machine.on_queried(report(TaskStatus::completed), {}, t0 + 159s, 0).kind, Kind::finish);
  EXPECT_EQ(machine.state(), State::completed);
}

// The answer lay in the socket while the process was stopped, so the minute has not been used.
TEST(TaskMachine, TheMinuteForAVideoEndsWithAQueryAfterIt) {
  auto machine = querying();
  (void)machine.on_queried(no_video(), {}, t0 + 2s, 0);
  EXPECT_EQ(machine.on_timer(t0 + 10s).kind, Kind::send_query);
  const auto command = machine.on_queried(no_video(), {}, t0 + 1h, 0);
  EXPECT_EQ(command.kind, Kind::wait);
  EXPECT_EQ(machine.on_timer(t0 + 1h).kind, Kind::send_query);
  EXPECT_EQ(machine.on_queried(report(TaskStatus::completed), {}, t0 + 1h, 0).kind, Kind::finish);
  EXPECT_EQ(machine.state(), State::completed);
}

TEST(TaskMachine, ATroubleDoesNotLengthenTheMinuteForAVideo) {
  auto machine = querying();
  (void)machine.on_queried(no_video(), {}, t0 + 2s, 0);
  EXPECT_EQ(machine.on_timer(t0 + 30s).kind, Kind::send_query);
  EXPECT_EQ(machine.on_queried(trouble(ErrorCode::network), {}, t0 + 31s, 0).kind, Kind::wait);
  EXPECT_EQ(machine.on_timer(t0 + 63s).kind, Kind::send_query);
  EXPECT_EQ(machine.on_queried(no_video(), {}, t0 + 63s, 0).kind, Kind::finish);
  EXPECT_TRUE(machine.has_no_video());
}

TEST(TaskMachine, ATaskThatEndedWithoutAVideoIsAskedForOnce) {
  const Result<TaskReport> answers[] = {no_video(), trouble(ErrorCode::network),
                                        trouble(ErrorCode::task_not_found)};
  for (const auto& answer : answers) {
    TaskMachine machine(plain());
    EXPECT_EQ(machine.adopt("T", t0, {}, TaskMachine::Finding::no_video).kind, Kind::send_query);
    EXPECT_EQ(machine.on_queried(answer, {}, t0, 0).kind, Kind::finish);
    EXPECT_TRUE(machine.has_no_video());
    EXPECT_EQ(machine.error()->code, ErrorCode::task_failed);
    EXPECT_EQ(machine.error()->charged, Charged::unknown);
  }
  TaskMachine machine(plain());
  (void)machine.adopt("T", t0, {}, TaskMachine::Finding::no_video);
  (void)machine.on_queried(report(TaskStatus::completed), {}, t0, 0);
  EXPECT_EQ(machine.state(), State::completed) << "the video has appeared";
}

TEST(TaskMachine, PollsLieWhereOtherTasksEnded) {
  auto settings = plain();
  settings.poll_interval = 0ms;
  settings.learned = GenerationTimes::learn(std::vector<std::chrono::milliseconds>(50, 60s));
  TaskMachine machine(settings);
  (void)machine.submit(t0);
  const auto first = machine.on_submitted(accepted_as("T"), t0, 0);
  EXPECT_EQ(first.until, t0 + settings.learned->compute_delay(0s));
  (void)machine.on_timer(first.until);
  const auto second =
      machine.on_queried(report(TaskStatus::processing), std::nullopt, first.until, 0);
  EXPECT_EQ(second.until - first.until,
            settings.learned->compute_delay(
                std::chrono::duration_cast<std::chrono::milliseconds>(first.until - t0)));

  // A task that is joined 50 s after its submission has run for 50 s.
  TaskMachine joined(settings);
  (void)joined.adopt("T", t0, t0 - 50s);
  EXPECT_EQ(joined.on_queried(report(TaskStatus::processing), std::nullopt, t0, 0).until,
            t0 + settings.learned->compute_delay(50s));
}

TEST(TaskMachine, AWaitNeverReachesBeyondTheDeadline) {
  auto settings = plain();
  settings.poll_interval = 1h;
  TaskMachine machine(settings);
  (void)machine.submit(t0);
  EXPECT_EQ(machine.on_submitted(accepted_as("T"), t0, 0).until, t0 + 100s);
}

/// Makes a machine whose task was accepted at t0, and whose next poll is an hour later.
TaskMachine waiting_long() {
  auto settings = plain();
  settings.poll_interval = 1h;
  settings.generation_timeout = 2h;
  TaskMachine machine(settings);
  (void)machine.submit(t0);
  (void)machine.on_submitted(accepted_as("T"), t0, 0);
  return machine;
}

TEST(TaskMachine, AHintAsksAtOnceAndTheNextFiveSecondsLater) {
  auto machine = waiting_long();
  EXPECT_EQ(machine.on_hint(t0 + 10ms).kind, Kind::send_query);
  (void)machine.on_queried(report(TaskStatus::processing), {}, t0 + 20ms, 0);
  const auto command = machine.on_hint(t0 + 30ms);
  EXPECT_EQ(command.kind, Kind::wait);
  EXPECT_EQ(command.until, t0 + 5010ms);
  EXPECT_EQ(machine.on_hint(t0 + 40ms).kind, Kind::none) << "it changes nothing";
  EXPECT_EQ(machine.on_timer(t0 + 5010ms).kind, Kind::send_query);
  (void)machine.on_queried(report(TaskStatus::processing), {}, t0 + 6s, 0);
  EXPECT_EQ(machine.on_timer(t0 + 20s).kind, Kind::wait) << "no hint, no query";
  EXPECT_EQ(machine.on_hint(t0 + 20s).kind, Kind::send_query);
}

// A task may end while the service answers a query. Then the answer `processing` is older than the
// hint.
TEST(TaskMachine, AHintWhileAskingIsFollowedByAQuery) {
  auto machine = waiting_long();
  EXPECT_EQ(machine.on_hint(t0 + 10ms).kind, Kind::send_query);
  EXPECT_EQ(machine.on_hint(t0 + 1s).kind, Kind::none);
  auto command = machine.on_queried(report(TaskStatus::processing), {}, t0 + 2s, 0);
  EXPECT_EQ(command.kind, Kind::wait);
  EXPECT_EQ(command.until, t0 + 5010ms);

  auto polling = querying();
  EXPECT_EQ(polling.on_hint(t0 + 1500ms).kind, Kind::none);
  command = polling.on_queried(report(TaskStatus::processing), {}, t0 + 1600ms, 0);
  EXPECT_EQ(command.until, t0 + 1600ms) << "a poll is no hint's query: the hint has its own";
}

// The callback may come before the answer to the submission.
TEST(TaskMachine, AHintBeforeTheAnswerToTheSubmissionCounts) {
  TaskMachine machine(plain());
  (void)machine.submit(t0);
  EXPECT_EQ(machine.on_hint(t0).kind, Kind::none);
  EXPECT_EQ(machine.on_submitted(accepted_as("T"), t0 + 1s, 0).until, t0 + 1s);
  EXPECT_EQ(machine.on_timer(t0 + 1s).kind, Kind::send_query);
}

// Forged hints must not shorten the service's Retry-After, and must not use up the retries.
TEST(TaskMachine, AHintDoesNotHastenARetry) {
  auto machine = querying();
  const auto command = machine.on_queried(trouble(ErrorCode::rate_limit_exceeded), 30s, t0 + 1s, 0);
  EXPECT_EQ(command.until, t0 + 31s);
  EXPECT_EQ(machine.on_hint(t0 + 2s).kind, Kind::none);
  EXPECT_EQ(machine.on_timer(t0 + 30s).kind, Kind::wait);
  EXPECT_EQ(machine.on_timer(t0 + 31s).kind, Kind::send_query);
}

// A hint comes every 10 ms for two minutes. The service answers each query within 300 ms.
TEST(TaskMachine, AFloodOfHintsCostsAQueryInFiveSeconds) {
  auto machine = waiting_long();
  std::vector<TaskMachine::Time> queries;
  std::optional<TaskMachine::Time> answer;
  std::optional<TaskMachine::Time> timer;
  const auto obey = [&](const TaskMachine::Command& command, TaskMachine::Time now) {
    if (command.kind == Kind::wait) timer = command.until;
    if (command.kind != Kind::send_query) return;
    queries.push_back(now);
    answer = now + 300ms;
    timer.reset();
  };
  for (auto now = t0; now < t0 + 2min; now += 10ms) {
    if (answer && now >= *answer) {
      answer.reset();
      obey(machine.on_queried(report(TaskStatus::processing), {}, now, 0), now);
    }
    if (timer && now >= *timer) {
      timer.reset();
      obey(machine.on_timer(now), now);
    }
    obey(machine.on_hint(now), now);
  }
  EXPECT_EQ(queries.size(), 24U);
  for (std::size_t i = 1; i < queries.size(); ++i) EXPECT_GE(queries[i] - queries[i - 1], 5s);
}

TEST(TaskMachine, EveryThirdPollIsMadeBeneathCallbacksUnlessTheIntervalIsFixed) {
  auto settings = plain();
  settings.is_called_back = true;
  TaskMachine fixed(settings);
  (void)fixed.submit(t0);
  EXPECT_EQ(fixed.on_submitted(accepted_as("T"), t0, 0).until, t0 + 1s);

  settings.poll_interval = 0ms;
  settings.generation_timeout = 1h;
  TaskMachine adaptive(settings);
  (void)adaptive.submit(t0);
  EXPECT_EQ(adaptive.on_submitted(accepted_as("T"), t0, 0).until, t0 + 3s);
  (void)adaptive.on_timer(t0 + 100s);
  EXPECT_EQ(adaptive.on_queried(report(TaskStatus::processing), {}, t0 + 100s, 0).until, t0 + 130s);

  // The wait is at most a minute, although other tasks took an hour.
  settings.learned = GenerationTimes::learn(std::vector<std::chrono::milliseconds>(10, 1h));
  TaskMachine slow(settings);
  (void)slow.submit(t0);
  EXPECT_EQ(slow.on_submitted(accepted_as("T"), t0, 0).until, t0 + 60s);
}

// The delay if the callback is lost, and the number of fallback polls, for random tasks after 50
// known times.
TEST(TaskMachine, ALostCallbackCostsThreeTimesWhatPollingWould) {
  std::mt19937 random(1);
  std::lognormal_distribution<double> draw(std::log(60.0), 0.3);
  const auto time = [&] { return std::chrono::milliseconds(std::llround(draw(random) * 1000)); };
  std::vector<std::chrono::milliseconds> known(50);
  for (auto& one : known) one = time();
  auto settings = plain();
  settings.poll_interval = 0ms;
  settings.generation_timeout = 1h;
  settings.learned = GenerationTimes::learn(known);
  struct Cost {
    double delay = 0;  ///< the mean, in seconds
    double polls = 0;  ///< the mean
  };
  constexpr int tasks = 5000;
  const auto run = [&](Cost& cost, bool is_called_back, std::chrono::milliseconds end) {
    settings.is_called_back = is_called_back;
    TaskMachine machine(settings);
    (void)machine.submit(t0);
    auto command = machine.on_submitted(accepted_as("T"), t0, 0);
    while (command.kind != Kind::finish) {
      const auto now = command.until;
      (void)machine.on_timer(now);
      const bool done = now >= t0 + end;
      command = machine.on_queried(report(done ? TaskStatus::completed : TaskStatus::processing),
                                   {}, now, 0);
      cost.polls += 1.0 / tasks;
      if (done) cost.delay += std::chrono::duration<double>(now - t0 - end).count() / tasks;
    }
  };
  Cost polling;
  Cost beneath;
  for (int i = 0; i < tasks; ++i) {
    const auto end = time();
    run(polling, false, end);
    run(beneath, true, end);
  }
  std::printf("  each callback lost: delay %.2f s against %.2f s; polls %.2f against %.2f\n",
              beneath.delay, polling.delay, beneath.polls, polling.polls);
  EXPECT_LE(beneath.delay, 3.2 * polling.delay);
  EXPECT_LE(beneath.polls, 0.5 * polling.polls);
}

TEST(TaskMachine, AFailedTaskKeepsTheServicesWords) {
  auto machine = querying();
  EXPECT_EQ(machine.on_queried(report(TaskStatus::failed), {}, t0 + 2s, 0).kind, Kind::finish);
  EXPECT_EQ(machine.status(), TaskStatus::failed);
  EXPECT_EQ(machine.error()->service_code, "upstream_error");
  EXPECT_EQ(machine.error()->charged, Charged::refunded);
}

TEST(Percent, TakesFractionsAndPercentAndNothingElse) {
  EXPECT_EQ(compute_percent(std::nullopt), std::nullopt);
  EXPECT_EQ(compute_percent(0.0), 0);
  EXPECT_EQ(compute_percent(0.25), 25);
  EXPECT_EQ(compute_percent(1.0), 1);
  EXPECT_EQ(compute_percent(42.9), 42);
  EXPECT_EQ(compute_percent(100.0), 100);
  EXPECT_EQ(compute_percent(100.1), std::nullopt);
  EXPECT_EQ(compute_percent(-1.0), std::nullopt);
  EXPECT_EQ(compute_percent(std::numeric_limits<double>::quiet_NaN()), std::nullopt);
}

// The machine itself tries again, so the user need not "try again later".
TEST(TaskMachine, GivesNoAdviceWhileItTriesAgain) {
  TaskMachine machine(plain());
  (void)machine.submit(t0);
  auto busy = ended(Submitted::Kind::rate_limited, ErrorCode::rate_limit_exceeded);
  busy.error.message = with_advice("Slow down.", busy.error.code);
  const auto advised = busy.error.message;
  ASSERT_NE(advised, "Slow down.");
  auto now = t0;
  for (int i = 0; i < 2; ++i) {
    const auto command = machine.on_submitted(busy, now, 0.5);
    ASSERT_TRUE(machine.trouble());
    EXPECT_EQ(machine.trouble()->message, "Slow down.");
    now = command.until;
    ASSERT_EQ(machine.on_timer(now).kind, Kind::send_submission);
  }
  (void)machine.on_submitted(busy, now, 0.5);
  ASSERT_TRUE(machine.error());
  EXPECT_EQ(machine.error()->message, advised + " The submission was tried 3 times.");
}

}  // namespace
}  // namespace veo
