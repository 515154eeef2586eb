// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A link that is slow, breaks, alters bytes or falls silent, in each exchange of a task. The right
// bytes must come out, or a clear error, but never a mixture of two files and never a second
// charge.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "run.h"

namespace veo::test {
namespace {

struct Phase {
  const char* name;
  const char* fault;   ///< the simulator's name of the request
  const char* which;   ///< which of these requests fail
  unsigned body;       ///< the approximate size of the body, in bytes
  bool is_submission;  ///< a fault may hit a paid submission
};

constexpr unsigned clip_bytes = 600'000;
const Phase phases[] = {
    {"submit", "submit", "*1", 60, true},
    {"query", "query", "*1", 60, false},
    {"file", "file", "*1", clip_bytes, false},
    {"moov", "file-tail", "*1", 5'000, false},
};

struct Kind {
  const char* name;
  const char* effect;  ///< `%` stands for a position in the body, which the seed draws
  bool is_harmless;    ///< the answer comes complete
  bool waits;          ///< the client waits until its deadline; for a submission, a minute
};

const Kind kinds[] = {
    {"latency", "delay=300ms", true, false},
    {"bandwidth", "drip=400000", true, false},
    {"drop", "lost-answer", false, false},
    {"reset", "reset=%", false, false},
    {"slice", "slice=%", true, false},
    {"stall", "stall=%", false, true},
    {"slow_close", "stall=99999999", true, false},
    {"truncation", "truncate=%", false, false},
};

/// Starts a simulator with so little bandwidth that the `moov` at the end gets a request of its
/// own.
Simulator start_on_a_link() {
  return Simulator::start(
      {"--generation-time", "0s", "--bandwidth", "1M", "--clip", larger_clip().path});
}

using LinkFault = std::tuple<Phase, Kind>;

class LinkFaults : public testing::TestWithParam<LinkFault> {};

TEST_P(LinkFaults, GiveTheRightBytesOrAClearError) {
  const auto& [phase, kind] = GetParam();
  if (phase.is_submission && kind.waits && repeats() == 0) {
    GTEST_SKIP() << "this case waits a minute for the submission: only in the long version";
  }
  int played = 0;
  int refused = 0;
  const unsigned seeds = std::max(1U, repeats());
  for (unsigned seed = 1; seed <= seeds && !HasFailure(); ++seed) {
    std::mt19937 random(seed);
    std::string effect = kind.effect;
    if (const auto at = effect.find('%'); at != std::string::npos) {
      effect.replace(at, 1, std::to_string(std::uniform_int_distribution(1U, phase.body)(random)));
    }
    const auto fault = std::string(phase.fault) + ":" + effect + phase.which;
    SCOPED_TRACE(fault);
    auto simulator = start_on_a_link();
    simulator.set_faults({fault});
    const Line line(simulator);
    const auto run = line.run("", {"layout=streamable", "timeout=1"});
    const bool may_be_lost = phase.is_submission && !kind.is_harmless;
    if (run.error_code().empty()) {
      ++played;
      ASSERT_EQ(line.rows().size(), 1U);
      EXPECT_EQ(line.rows()[0].clip_sha256, larger_clip().sha256) << "the cache has another file";
      // The player has to get this clip with `moov` in front, and with the tags of the task: what a
      // run from the cache gives.
      simulator.set_faults({});
      ASSERT_TRUE(run.report.is_object()) << run;
      const auto from_cache = line.run("", {"layout=streamable"});
      EXPECT_TRUE(from_cache.report.is_object()) << from_cache;
      EXPECT_TRUE(run.played(from_cache.report.value("sha256", ""))) << run << from_cache;
    } else {
      ++refused;
      EXPECT_TRUE(may_be_lost) << run;
      EXPECT_EQ(run.error_code(), "submit-unknown") << run;
    }
    EXPECT_LE(simulator.state().at("charges").get<int>(), 1);
    // An answer that the client abandoned ends, and is logged, when the simulator stops.
    simulator.stop();
    EXPECT_TRUE(std::ranges::any_of(simulator.log(), [](const nlohmann::json& request) {
      return request.at("fault") != "";
    })) << "the fault did not happen";
  }
  std::printf("  %s at %s: %d played, %d submit-unknown\n", kind.name, phase.name, played, refused);
}

INSTANTIATE_TEST_SUITE_P(Each, LinkFaults,
                         testing::Combine(testing::ValuesIn(phases), testing::ValuesIn(kinds)),
                         [](const auto& row) {
                           return std::string(std::get<0>(row.param).name) + "_" +
                                  std::get<1>(row.param).name;
                         });

}  // namespace
}  // namespace veo::test
