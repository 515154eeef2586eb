// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A SourceReader against the simulator: what it reads, and how its waits end.
#include "veo/source/source_reader.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include "simulated_options.h"
#include "simulator.h"

namespace veo::test {
namespace {

using namespace std::chrono_literals;

using Bytes = std::vector<std::uint8_t>;

void start(SourceReader& reader, Options options) {
  const auto opened = reader.open(std::move(options));
  ASSERT_TRUE(opened && *opened);
  reader.start();
}

TEST(SourceReader, TakesAndReadsTheSameBytesToTheEnd) {
  const auto simulator = Simulator::start({"--generation-time", "0s", "--frames", "24"});
  SourceReader reader;
  start(reader, make_options(simulator));
  Bytes taken;
  for (;;) {
    const auto piece = reader.take(taken.size(), 10'000);
    ASSERT_TRUE(piece && *piece);
    const auto bytes = (*piece)->bytes;
    if (bytes.empty()) break;
    EXPECT_LE(bytes.size(), 10'000U);
    taken.insert(taken.end(), bytes.begin(), bytes.end());
  }
  EXPECT_EQ(taken.size(), reader.snapshot().size);
  Bytes read;
  for (;;) {
    Bytes piece(7'777);
    const auto got = reader.read(read.size(), piece);
    ASSERT_TRUE(got && *got);
    if (**got == 0) break;
    read.insert(read.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(**got));
  }
  EXPECT_EQ(read, taken);
}

TEST(SourceReader, TellsEachChangeUntilTheTaskIsCompleted) {
  const auto simulator = Simulator::start({"--generation-time", "100ms", "--frames", "24"});
  SourceReader reader;
  start(reader, make_options(simulator));
  std::vector<Job::Phase> phases;
  const auto completed = reader.wait_for_completion({.on_change = [&](const auto& seen) {
    if (phases.empty() || phases.back() != seen.job.phase) phases.push_back(seen.job.phase);
  }});
  ASSERT_TRUE(completed && *completed);
  EXPECT_EQ(phases.back(), Job::Phase::completed);
  EXPECT_GT(phases.size(), 1U);
}

TEST(SourceReader, FailsAsTheTaskDoes) {
  const auto simulator =
      Simulator::start({"--generation-time", "0s", "--fault", "task:failed", "--frames", "24"});
  SourceReader reader;
  start(reader, make_options(simulator));
  const auto completed = reader.wait_for_completion();
  ASSERT_TRUE(completed);
  ASSERT_FALSE(*completed);
  EXPECT_EQ(completed->error().code, ErrorCode::task_failed);
  const auto first = reader.take(0, 1);
  ASSERT_TRUE(first);
  ASSERT_FALSE(*first);
  EXPECT_EQ(first->error().code, ErrorCode::task_failed);
}

TEST(SourceReader, CanBeInterruptedAndGoesOn) {
  const auto simulator = Simulator::start({"--generation-time", "1h", "--frames", "24"});
  SourceReader reader;
  start(reader, make_options(simulator));
  const auto is_waiting = [](const Source::Snapshot& seen) {
    return seen.job.phase == Job::Phase::generating;
  };
  std::atomic<bool> waits = false;
  {
    const std::jthread user([&] {
      while (!waits) std::this_thread::yield();
      reader.interrupt();
    });
    EXPECT_FALSE(reader.wait_for_completion(
        {.on_change = [&](const auto& seen) { waits = waits || is_waiting(seen); }}));
  }
  EXPECT_FALSE(reader.take(0, 1)) << "until resume()";
  reader.resume();
  const auto id = reader.snapshot().job.task_id;
  EXPECT_FALSE(id.empty());
  // The callback may interrupt, as a user of the C API does.
  EXPECT_FALSE(reader.wait_for_bytes(0, {.on_change = [&](const auto& seen) {
                                       EXPECT_EQ(seen.job.task_id, id);
                                       reader.interrupt();
                                     }}));
  EXPECT_EQ(simulator.state().at("tasks").size(), 1U);
}

// A terminal is drawn again though nothing has changed.
TEST(SourceReader, CallsBackAtItsInterval) {
  const auto simulator = Simulator::start({"--generation-time", "1h", "--frames", "24"});
  auto options = make_options(simulator);
  options.poll_interval = 1h;
  SourceReader reader;
  start(reader, std::move(options));
  int seen_generating = 0;
  EXPECT_FALSE(reader.wait_for_bytes(0, {.on_change =
                                             [&](const auto& seen) {
                                               if (seen.job.phase != Job::Phase::generating) return;
                                               if (++seen_generating == 5) reader.interrupt();
                                             },
                                         .interval = 1ms}));
  EXPECT_EQ(seen_generating, 5);
}

}  // namespace
}  // namespace veo::test
