// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Many waiting tasks in one process share few connections and one speed of requests.
#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "test_pipeline.h"

namespace veo::test {
namespace {

using nlohmann::json;

/// Makes a pipeline of `count` sources, each with a request of its own.
std::unique_ptr<TestPipeline> many(unsigned count, const Simulator& simulator) {
  std::string line;
  for (unsigned i = 0; i < count; ++i) {
    line += " veosrc name=src" + std::to_string(i) + " prompt=\"scene " + std::to_string(i) +
            "\" ! fakesink sync=false async=false";
  }
  auto pipeline = std::make_unique<TestPipeline>(line);
  for (unsigned i = 0; i < count; ++i) {
    const auto src = pipeline->element(("src" + std::to_string(i)).c_str());
    g_object_set(src.get(), "api-url", simulator.api_url().c_str(), "api-key",
                 simulator.key().c_str(), "ledger", simulator.ledger().c_str(), "cache-dir",
                 simulator.cache().c_str(), "poll-interval", 200, "retries", 20, nullptr);
  }
  return pipeline;
}

std::vector<json> to_the_api(const Simulator& simulator) {
  auto log = simulator.log();
  std::erase_if(log, [](const json& line) { return line.at("listener") != "api"; });
  return log;
}

std::size_t connections(const std::vector<json>& log, const std::string& method) {
  std::set<std::int64_t> seen;
  for (const auto& line : log) {
    if (line.at("method") == method) seen.insert(line.at("connection").get<std::int64_t>());
  }
  return seen.size();
}

TEST(Waiting, ManyTasksShareAFewConnections) {
  const auto simulator =
      Simulator::start({"--generation-time", "2s", "--frames", "2", "--credits", "100000"});
  const auto pipeline = many(60, simulator);
  pipeline->start();
  ASSERT_TRUE(pipeline->finish());
  EXPECT_TRUE(pipeline->eos());
  EXPECT_EQ(simulator.state().at("tasks").size(), 60U);
  const auto log = to_the_api(simulator);
  // Each submission has a connection of its own. The polls share the open connections.
  EXPECT_EQ(connections(log, "POST"), 60U);
  EXPECT_LE(connections(log, "GET"), 12U);
}

TEST(Waiting, A429ToOneHoldsAllForAsLongAsItSays) {
  auto simulator =
      Simulator::start({"--generation-time", "5s", "--frames", "2", "--credits", "100000"});
  const auto pipeline = many(10, simulator);
  pipeline->start();
  // All tasks are submitted, and the jobs poll about five times a second.
  while (connections(to_the_api(simulator), "GET") == 0) ASSERT_FALSE(pipeline->failure());
  simulator.set_faults({"query:error=rate_limit_exceeded,retry-after=2*1"});
  ASSERT_TRUE(pipeline->finish());
  EXPECT_TRUE(pipeline->eos());
  std::optional<double> limited;
  std::vector<double> after;
  for (const auto& line : to_the_api(simulator)) {
    if (line.at("status") == 429) {
      limited = line.at("time");
    } else if (limited) {
      after.push_back(line.at("time"));
    }
  }
  ASSERT_TRUE(limited);
  // At most six requests are under way at the time of the 429. These are answered within 0.2 s.
  // After that no request follows for two seconds.
  std::erase_if(after, [&](double time) { return time < *limited + 0.2; });
  ASSERT_FALSE(after.empty());
  EXPECT_GE(after.front(), *limited + 1.99);
}

TEST(Waiting, AServiceWithALowRateLimitGetsFewRequests) {
  const auto simulator = Simulator::start(
      {"--generation-time", "1s", "--frames", "2", "--credits", "100000", "--rate-limit", "20/s"});
  const auto pipeline = many(40, simulator);
  pipeline->start();
  ASSERT_TRUE(pipeline->finish());
  EXPECT_FALSE(pipeline->failure()) << pipeline->failure()->text;
  EXPECT_TRUE(pipeline->eos());
  EXPECT_EQ(simulator.state().at("tasks").size(), 40U);
  unsigned refused = 0;
  unsigned all = 0;
  for (const auto& line : to_the_api(simulator)) {
    ++all;
    if (line.at("status") == 429) ++refused;
  }
  EXPECT_GT(refused, 0U);
  EXPECT_LT(refused, all / 4);
}

}  // namespace
}  // namespace veo::test
