// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Kills a film of ten steps at each step and runs it again. All runs together must pay ten charges.
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <iostream>
#include <set>
#include <string>

#include "run.h"

namespace veo::test {
namespace {

using namespace std::chrono_literals;

constexpr unsigned steps = 10;

std::string film_of(const Line& line) { return line.cache() + "-film.mp4"; }

std::vector<std::string> line_of(const Line& line) {
  auto words = line.properties();
  words.push_back("--keep=" + film_of(line));
  for (unsigned step = 2; step <= steps; ++step) {
    words.push_back("--continue=step " + std::to_string(step));
  }
  return words;
}

unsigned frames_of(const std::string& film) {
  return static_cast<unsigned>(
      std::stoul("0" + output_of("ffprobe -v error -count_frames -select_streams v -show_entries "
                                 "stream=nb_read_frames -of csv=p=0 " +
                                 film)));
}

/// Waits until there are this many charges and at least this many queries.
void wait_for(const Simulator& simulator, unsigned charges, unsigned queries) {
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  for (;;) {
    const auto state = simulator.state();
    if (state.at("charges") == charges && state.at("queries") >= queries) return;
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << state.dump();
  }
}

/// Expects that the line plays to its end, and that each task was paid once.
void expect_whole(const Line& line, const Simulator& simulator) {
  const auto ended = RunProcess(line_of(line), "").wait();
  ASSERT_TRUE(ended.report.is_object()) << ended;
  EXPECT_TRUE(ended.report.at("eos").get<bool>()) << ended;
  EXPECT_EQ(frames_of(film_of(line)), steps * 24);
  const auto state = simulator.state();
  EXPECT_EQ(state.at("charges"), steps);
  EXPECT_EQ(state.at("submissions"), steps);
  std::set<std::string> prompts;
  for (const auto& task : state.at("tasks")) prompts.insert(task.at("prompt"));
  EXPECT_EQ(prompts.size(), steps) << "a step was paid twice";
}

TEST(Film, KilledAtEachStepCostsNoStepTwice) {
  auto simulator = start_simulator();
  const Line line(simulator);
  unsigned queries = 0;
  for (unsigned step = 1; step <= steps; ++step) {
    // The process has to query the task of the step before it. Then the simulator holds the query
    // of this step's task.
    simulator.set_faults({step == 1 ? "query:stall*1" : "query:stall*1@2"});
    queries = simulator.state().at("queries").get<unsigned>() + (step == 1 ? 1 : 2);
    RunProcess run(line_of(line), "");
    wait_for(simulator, step, queries);
    run.kill();
    ASSERT_EQ(run.wait().signal, SIGKILL);
  }
  simulator.set_faults({});
  expect_whole(line, simulator);
  // Another run plays the film from the cache and sends nothing.
  const auto asked = simulator.state().at("queries");
  expect_whole(line, simulator);
  EXPECT_EQ(simulator.state().at("queries"), asked);
}

// Kills the process at a draw of the durable steps of all tasks.
TEST(Film, KilledAtADurableStepCostsNoStepTwice) {
  const auto measured = [] {
    const auto simulator = start_simulator();
    const auto ended = RunProcess(line_of(Line(simulator)), "count").wait();
    return static_cast<unsigned>(ended.report.at("steps").size());
  }();
  ASSERT_GT(measured, 10 * steps);
  const unsigned stride = repeats() == 0 ? measured / 6 : 1;
  unsigned kills = 0;
  unsigned unknown = 0;
  for (unsigned at = 3; at < measured; at += stride) {
    SCOPED_TRACE("kill-before=" + std::to_string(at));
    const auto simulator = start_simulator();
    const Line line(simulator);
    const auto killed = RunProcess(line_of(line), "kill-before=" + std::to_string(at)).wait();
    ASSERT_EQ(killed.signal, SIGKILL) << killed;
    ++kills;
    const auto again = RunProcess(line_of(line), "").wait();
    ASSERT_TRUE(again.report.is_object()) << again;
    const auto state = simulator.state();
    if (again.error_code() == "submit-unknown") {
      ++unknown;
      EXPECT_LE(state.at("charges"), steps);
      continue;
    }
    EXPECT_TRUE(again.report.at("eos").get<bool>()) << again;
    EXPECT_EQ(frames_of(film_of(line)), steps * 24);
    EXPECT_EQ(state.at("charges"), steps);
  }
  std::cout << "  film of " << steps << " steps: " << measured << " durable steps, " << kills
            << " kills, " << unknown << " submit-unknown\n";
  EXPECT_LT(unknown, kills);
}

}  // namespace
}  // namespace veo::test
