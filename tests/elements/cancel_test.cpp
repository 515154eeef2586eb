// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Tests that an element returns to NULL at once from every state, and leaves no object and no
// thread behind.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "test_pipeline.h"

namespace veo::test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

/// The contract's limit for "at once". The limit is no benchmark.
constexpr auto at_once = 250ms;
constexpr int times = 50;

/// Returns the names of the process's threads, without those that GLib never ends: its worker and
/// the idle threads of its pool.
std::vector<std::string> threads() {
  std::vector<std::string> names;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(task.path() / "comm");
    std::string name;
    if (!std::getline(file, name) || name == "gmain" || name.starts_with("pool-")) continue;
    names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// Waits until only one thread is left, at most 10 s. Returns the names of the threads that are
/// left.
std::vector<std::string> threads_left() {
  const auto deadline = Clock::now() + 10s;
  auto left = threads();
  while (left.size() > 1 && Clock::now() < deadline) {
    // GStreamer's streaming threads come from GLib's pool too, and keep their names when they are
    // idle.
    g_thread_pool_stop_unused_threads();
    left = threads();
  }
  return left;
}

/// Counts those of the watched objects that are still alive.
class Alive {
 public:
  void watch(GstElement* element) {
    ++count_;
    g_object_weak_ref(
        G_OBJECT(element), [](gpointer self, GObject*) { --static_cast<Alive*>(self)->count_; },
        this);
  }
  [[nodiscard]] int count() const { return count_; }

 private:
  std::atomic<int> count_ = 0;
};

struct Moment {
  const char* name;
  std::vector<std::string> simulator;
  std::vector<std::string> faults;
  const char* reached;  ///< the PROGRESS code whose START marks the moment; "": the preroll
  bool known_task;      ///< play one completed task, instead of submitting a task each time
};
void PrintTo(const Moment& moment, std::ostream* out) { *out << moment.name; }

class Cancel : public testing::TestWithParam<Moment> {};

TEST_P(Cancel, IsAtOnceAndLeavesNothing) {
  const auto& moment = GetParam();
  auto simulator = Simulator::start(moment.simulator);
  std::string line = "veosrc name=src prompt=x ! fakesink";
  if (moment.known_task) {
    TestPipeline first(line);
    first.use(simulator);
    ASSERT_TRUE(first.finish());
    const std::string id = simulator.state().at("tasks").at(0).at("id");
    line = "veosrc name=src task-id=" + id + " ! fakesink";
  }
  simulator.set_faults(moment.faults);
  Clock::duration longest{};
  Alive alive;
  for (int i = 0; i < times; ++i) {
    // Each run has its own take, and so a task of its own: a second run with the same take would
    // join the first run's task instead of submitting one.
    TestPipeline run(line);
    run.use(simulator);
    g_object_set(run.element("src").get(), "take", i + 1, nullptr);
    alive.watch(run.pipeline());
    alive.watch(run.element("src").get());
    run.start(GST_STATE_PAUSED);
    for (;;) {
      const auto message =
          run.next(*moment.reached != '\0' ? GST_MESSAGE_PROGRESS : GST_MESSAGE_ASYNC_DONE);
      ASSERT_TRUE(message);
      ASSERT_FALSE(run.failure()) << run.failure()->text;
      if (*moment.reached == '\0' || run.progress().back().code == moment.reached) break;
    }
    // A submission is under way when the simulator has received it; the START message comes
    // earlier.
    while (moment.reached == std::string("submit") && simulator.state().at("submissions") <= i) {
      std::this_thread::yield();
    }
    const auto begin = Clock::now();
    run.stop();
    longest = std::max(longest, Clock::now() - begin);
    if (*moment.reached != '\0') {
      EXPECT_EQ(run.progress().back().type, "canceled");
      EXPECT_EQ(run.progress().back().code, moment.reached);
    }
  }
  std::printf("  %s: longest of %d: %.1f ms\n", moment.name, times,
              std::chrono::duration<double, std::milli>(longest).count());
  EXPECT_LT(longest, at_once);
  EXPECT_EQ(alive.count(), 0);
  EXPECT_EQ(threads_left(), std::vector<std::string>{"element-tests"});
}

INSTANTIATE_TEST_SUITE_P(
    Moments, Cancel,
    testing::Values(
        // The answer comes after 300 ms, so that the POST ends by itself and the I/O thread ends
        // with it.
        Moment{"submit", {"--frames", "24"}, {"submit:delay=300ms"}, "submit", false},
        Moment{"wait", {"--generation-time", "1h"}, {}, "generate", false},
        Moment{"download",
               {"--generation-time", "0s", "--frames", "24"},
               {"file:stall=0"},
               "download",
               true},
        Moment{"paused_push", {"--generation-time", "0s", "--frames", "24"}, {}, "", true}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(Cancel, OneThreadServesManyElementsAndEndsWithTheLast) {
  // The tests before may have left work that ends by itself.
  ASSERT_EQ(threads_left(), std::vector<std::string>{"element-tests"});
  const auto simulator = Simulator::start({"--generation-time", "1h"});
  {
    std::vector<std::unique_ptr<TestPipeline>> runs;
    for (int i = 0; i < 20; ++i) {
      runs.push_back(std::make_unique<TestPipeline>("veosrc name=src prompt=x ! fakesink"));
      runs.back()->use(simulator);
      g_object_set(runs.back()->element("src").get(), "take", i + 1, nullptr);
      runs.back()->start(GST_STATE_PAUSED);
    }
    for (auto& run : runs) {
      while (run->tasks().empty() || run->tasks().back().rfind("none", 0) == 0) {
        ASSERT_TRUE(run->next(GST_MESSAGE_ELEMENT));
        ASSERT_FALSE(run->failure()) << run->failure()->text;
      }
    }
    const auto running = threads();
    EXPECT_EQ(std::count(running.begin(), running.end(), "veo-io"), 1);
  }
  EXPECT_EQ(threads_left(), std::vector<std::string>{"element-tests"});
  EXPECT_EQ(simulator.state().at("charges"), 20);
}

TEST(Cancel, ABegunSubmissionIsAnsweredAfterTheElementIsGone) {
  const auto simulator = Simulator::start({"--fault", "submit:delay=300ms"});
  testing::internal::CaptureStderr();
  {
    TestPipeline run("veosrc name=src prompt=x ! fakesink");
    run.use(simulator);
    run.start(GST_STATE_PAUSED);
    ASSERT_TRUE(run.next(GST_MESSAGE_PROGRESS));
    // Wait until the simulator has received the submission: from then on nothing may cancel it.
    while (simulator.state().at("submissions") == 0) std::this_thread::yield();
  }
  EXPECT_EQ(threads_left(), std::vector<std::string>{"element-tests"});
  const auto said = testing::internal::GetCapturedStderr();
  const std::string id = simulator.state().at("tasks").at(0).at("id");
  EXPECT_NE(said.find("task " + id), std::string::npos) << said;
  EXPECT_EQ(simulator.state().at("charges"), 1);
}

}  // namespace
}  // namespace veo::test
