// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Programs that submit and just end, or that fork while they submit.
#include <gtest/gtest.h>

#include <chrono>
#include <iostream>
#include <map>
#include <string>

#include "run.h"

namespace veo::test {
namespace {

// A program ends at each moment of a submission. Once its exit has begun nothing new is sent, and
// no thread uses what the exit has destroyed.
TEST(Exit, AtAnyMomentOfASubmissionIsCleanAndSendsNothingNew) {
  auto simulator = start_simulator();
  const unsigned rounds = repeats() == 0 ? 60 : 600;
  // The ends are spread over the time that a whole run takes.
  const auto started = std::chrono::steady_clock::now();
  ASSERT_TRUE(Line(simulator).run().played(small_clip().sha256));
  const auto whole = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now() - started);
  std::map<std::string, unsigned> states;
  for (unsigned round = 0; round < rounds; ++round) {
    // A simulator has credits for a limited number of tasks.
    if (round % 60 == 59) simulator = start_simulator();
    const Line line(simulator);
    const auto before = simulator.state();
    const auto after = "--exit-after=" + std::to_string((whole * round / rounds).count());
    const auto ended = line.run("", {after});
    ASSERT_EQ(ended.signal, 0) << after << ": " << ended;
    ASSERT_EQ(ended.exit_code, 0) << after << ": " << ended;
    const auto state = simulator.state();
    const auto sent =
        state.at("submissions").get<unsigned>() - before.at("submissions").get<unsigned>();
    const auto charges = state.at("charges").get<unsigned>() - before.at("charges").get<unsigned>();
    EXPECT_EQ(sent, charges) << after << ": a POST with an empty input is refused";
    const auto rows = line.rows();
    ASSERT_LE(rows.size(), 1U);
    const auto row = rows.empty() ? "none" : rows.front().state;
    ++states[row];
    if (row == "sending" || row == "unknown") {
      ADD_FAILURE() << after << ": " << row << ", sent " << sent;
    }
    EXPECT_EQ(sent == 1, row == "accepted" || row == "completed") << after << ": " << row;
  }
  for (const auto& [state, count] : states) std::cout << "  " << state << ": " << count << "\n";
}

// A child of fork() has none of the parent's threads. It fails at once, and says why.
TEST(Fork, AChildFailsAtOnceAndSubmitsNothing) {
  const auto simulator = start_simulator();
  const Line line(simulator);
  const auto ended = line.run("", {"--fork"});
  ASSERT_EQ(ended.exit_code, 0) << ended;
  EXPECT_TRUE(ended.played(small_clip().sha256)) << ended;
  const auto& child = ended.report.at("child");
  EXPECT_EQ(child.at("status"), 0) << ended;
  const auto& error = child.at("result").at("error");
  EXPECT_EQ(error.at("code"), "internal-error") << ended;
  EXPECT_EQ(error.at("charged"), "no") << ended;
  EXPECT_NE(error.at("text").get<std::string>().find("after the fork()"), std::string::npos);
  EXPECT_EQ(simulator.state().at("submissions"), 1);
  EXPECT_EQ(simulator.state().at("charges"), 1);
}

}  // namespace
}  // namespace veo::test
