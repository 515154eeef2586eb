// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Kills a process at the worst moments, and runs the same line again.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <initializer_list>
#include <iostream>
#include <string>

#include "run.h"

namespace veo::test {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

struct CrashFigures {
  unsigned steps = 0;
  unsigned kills = 0;
  unsigned charges = 0;
  unsigned recorded = 0;  // kills after which the task id was on the disk
  unsigned played = 0;    // reruns of these that played the task and paid nothing
  unsigned unknown = 0;   // reruns that reported submit-unknown
};

void print(const std::string& what, const CrashFigures& figures) {
  std::cout << "  " << what << ": " << figures.steps << " steps, " << figures.kills << " kills, "
            << figures.charges << " charges, " << figures.recorded << " tasks recorded, "
            << figures.played << " of them played by the rerun, " << figures.unknown
            << " submit-unknown\n";
}

bool is_one_of(const std::string& text, std::initializer_list<const char*> of) {
  return std::ranges::find(of, text) != of.end();
}

/// What the disk and the service contained when the process ended.
struct Wreck {
  Row row;  // with an empty state if there is no row
  json service;

  [[nodiscard]] unsigned count(const char* what) const { return service.at(what).get<unsigned>(); }
  [[nodiscard]] bool is_recorded() const { return !row.task_id.empty(); }
};

/// Checks the rules that hold at each moment, whenever the process ends.
Wreck inspect(const Line& line, const Simulator& simulator) {
  Wreck wreck{.row = {}, .service = simulator.state()};
  // A released row is no claim any more.
  auto rows = line.rows();
  std::erase_if(rows, [](const Row& row) { return row.state == "released"; });
  EXPECT_LE(rows.size(), 1U);
  if (!rows.empty()) wreck.row = rows.front();
  EXPECT_LE(wreck.count("charges"), 1U);
  if (wreck.count("submissions") > 0) {
    EXPECT_TRUE(is_one_of(wreck.row.state, {"sending", "unknown", "accepted", "completed"}))
        << "the claim must be durable before its POST leaves, but is: " << wreck.row.state;
  }
  if (wreck.count("queries") > 0) {
    EXPECT_EQ(wreck.service.at("tasks").at(0).at("id"), wreck.row.task_id)
        << "the task id must be durable before the first poll";
  }
  EXPECT_EQ(wreck.is_recorded(), is_one_of(wreck.row.state, {"accepted", "completed"}));
  return wreck;
}

/// Runs the same line again: it must play, for one charge in all. The line may report
/// submit-unknown only if nobody can know whether the submission arrived.
void run_again(const Line& line, const Simulator& simulator, CrashFigures& figures) {
  const auto wreck = inspect(line, simulator);
  const auto again = line.run();
  const auto service = simulator.state();
  figures.charges += service.at("charges").get<unsigned>();
  EXPECT_LE(service.at("charges"), 1);
  if (is_one_of(wreck.row.state, {"sending", "unknown"})) {
    EXPECT_EQ(again.error_code(), "submit-unknown") << again;
    // The simulator may still have been reading the submission of the process that was killed.
    EXPECT_LE(service.at("submissions"), 1);
    ++figures.unknown;
    return;
  }
  EXPECT_TRUE(again.played(small_clip().sha256)) << again;
  EXPECT_EQ(service.at("charges"), 1);
  EXPECT_EQ(service.at("submissions"), 1);
  if (!wreck.is_recorded()) return;
  ++figures.recorded;
  const bool is_that_task = again.report.is_object() &&
                            again.report.at("task-id") == wreck.row.task_id &&
                            again.report.at("reused").get<bool>();
  EXPECT_TRUE(is_that_task) << wreck.row.task_id << " goes on: " << again;
  const bool is_free = service.at("submissions") == wreck.service.at("submissions");
  EXPECT_TRUE(is_free);
  if (again.played(small_clip().sha256) && is_that_task && is_free) ++figures.played;
}

class Crash : public testing::TestWithParam<bool> {};

TEST_P(Crash, AtAnyDurableStepCostsNothing) {
  const bool drop_unsynced = GetParam();
  CrashFigures figures;
  json names;
  {
    const auto simulator = start_simulator();
    const auto measured = Line(simulator).run("count");
    ASSERT_TRUE(measured.played(small_clip().sha256)) << measured;
    names = measured.report.at("steps");
  }
  figures.steps = static_cast<unsigned>(names.size());
  ASSERT_GT(figures.steps, 10U) << "at least the ledger, three commits and the clip";

  const bool is_draw = repeats() == 0;
  const auto rounds = std::max(repeats(), 1U);
  for (unsigned round = 0; round < rounds; ++round) {
    for (unsigned step = 1; step <= figures.steps; ++step) {
      for (const bool after : {false, true}) {
        // If no written data is lost, "after" one step and "before" the next are nearly the same
        // moment.
        if (is_draw && !drop_unsynced && after == (step % 2 == 0)) continue;
        const auto fault = std::string(after ? "kill-after=" : "kill-before=") +
                           std::to_string(step) + (drop_unsynced ? ",drop-unsynced" : "");
        SCOPED_TRACE(fault + " (" + names.at(step - 1).get<std::string>() + ")");
        const auto simulator = start_simulator();
        const Line line(simulator);
        const auto killed = line.run(fault);
        ASSERT_EQ(killed.signal, SIGKILL) << killed;
        ++figures.kills;
        run_again(line, simulator, figures);
      }
    }
  }
  print(drop_unsynced ? "power loss" : "kill -9", figures);
  EXPECT_EQ(figures.played, figures.recorded);
  EXPECT_GT(figures.played, 0U);
  EXPECT_GT(figures.unknown, 0U);
}

INSTANTIATE_TEST_SUITE_P(Steps, Crash, testing::Bool(),
                         [](const auto& row) { return row.param ? "PowerLoss" : "Kill"; });

TEST(CrashAgain, InTheRunAfterACrashCostsNothing) {
  // A draw tries some steps of the first run, each with one step of the second run. The long
  // version tries all steps of both.
  const bool is_draw = repeats() == 0;
  const auto steps = [] {
    const auto simulator = start_simulator();
    return static_cast<unsigned>(Line(simulator).run("count").report.at("steps").size());
  }();
  ASSERT_GT(steps, 10U);
  CrashFigures figures{.steps = steps};
  for (unsigned first = 1; first <= steps; first += is_draw ? 2 : 1) {
    for (unsigned second = 1; second <= steps; ++second) {
      if (is_draw && second != 1 + first * 7 % steps) continue;
      const auto fault = [&](unsigned step) {
        return (step % 2 == 0 ? "kill-after=" : "kill-before=") + std::to_string(step) +
               ",drop-unsynced";
      };
      SCOPED_TRACE(fault(first) + ", then " + fault(second));
      const auto simulator = start_simulator();
      const Line line(simulator);
      ASSERT_EQ(line.run(fault(first)).signal, SIGKILL);
      ++figures.kills;
      inspect(line, simulator);
      // A run that continues another run has fewer steps, so it may end without a kill.
      if (line.run(fault(second)).signal == SIGKILL) ++figures.kills;
      run_again(line, simulator, figures);
    }
  }
  print("power loss, and another in the run after it", figures);
  EXPECT_GT(figures.kills, is_draw ? steps / 2 : steps * steps) << "second runs were killed too";
  EXPECT_EQ(figures.played, figures.recorded);
}

/// A moment between two durable steps, while the process waits for the service.
struct Moment {
  const char* name;
  const char* fault;  // the simulator's fault that holds the process at the moment
  const char* count;  // the simulator's count that is 1 at the moment
  const char* row;    // the state of the row at the moment
  unsigned charges;   // up to the moment
};
void PrintTo(const Moment& moment, std::ostream* out) { *out << moment.name; }

const Moment moments[] = {
    {"TheRequestIsOut", "submit:stall*1", "submissions", "sending", 0},
    {"TheAnswerIsLate", "submit:delay=600s*1", "charges", "sending", 1},
    {"HalfOfTheAnswerIsHere", "submit:stall=20*1", "charges", "sending", 1},
    {"TheTaskIsAskedFor", "query:stall*1", "queries", "accepted", 1},
    {"TheClipIsAskedFor", "file:stall*1", "file_requests", "completed", 1},
    {"HalfOfTheClipIsHere", "file:stall=20000*1", "file_requests", "completed", 1},
};

class CrashWhile : public testing::TestWithParam<Moment> {};

TEST_P(CrashWhile, CostsNothing) {
  const auto& moment = GetParam();
  CrashFigures figures;
  const auto rounds = std::max(repeats(), 1U);
  for (unsigned round = 0; round < rounds; ++round) {
    auto simulator = start_simulator();
    simulator.set_faults({moment.fault});
    const Line line(simulator);
    {
      RunProcess run(line.properties(), "");
      // Only the simulator's counts tell that the process waits.
      const auto deadline = std::chrono::steady_clock::now() + 30s;
      while (simulator.state().at(moment.count) == 0) {
        ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      }
      run.kill();
      ASSERT_EQ(run.wait().signal, SIGKILL);
    }
    ++figures.kills;
    const auto wreck = inspect(line, simulator);
    EXPECT_EQ(wreck.row.state, moment.row);
    EXPECT_EQ(wreck.count("charges"), moment.charges);
    simulator.set_faults({});
    run_again(line, simulator, figures);

    if (wreck.row.state != "sending") continue;
    // The row stays unknown until the user decides.
    EXPECT_EQ(line.run().error_code(), "submit-unknown");
    EXPECT_EQ(simulator.state().at("charges"), moment.charges);
    const auto decided = line.run("", {"on-unknown=resubmit"});
    EXPECT_TRUE(decided.played(small_clip().sha256)) << decided;
    EXPECT_EQ(simulator.state().at("charges"), moment.charges + 1);
  }
  print(moment.name, figures);
}

INSTANTIATE_TEST_SUITE_P(Moments, CrashWhile, testing::ValuesIn(moments),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace veo::test
