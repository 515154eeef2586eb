// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/system/store_thread.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace veo {
namespace {

using Store = StoreThread::Store;

constexpr auto patience = std::chrono::seconds(20);

unsigned threads_named(const std::string& name) {
  unsigned count = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(task.path() / "comm");
    std::string comm;
    if (std::getline(file, comm) && comm == name) ++count;
  }
  return count;
}

/// A store that does not answer until let_go() is called.
class HeldUp {
 public:
  explicit HeldUp(StoreThread& thread) {
    thread.post([events = events_] {
      events->begun.set_value();
      events->released.get_future().wait();
    });
    EXPECT_EQ(events_->begun.get_future().wait_for(patience), std::future_status::ready);
  }
  void release() { events_->released.set_value(); }

 private:
  struct Events {
    std::promise<void> begun;
    std::promise<void> released;
  };
  // The thread shares the events, because it may look at them after this object has gone.
  const std::shared_ptr<Events> events_ = std::make_shared<Events>();
};

void wait_for_all_before(StoreThread& thread) {
  const auto done = std::make_shared<std::promise<void>>();
  thread.post([done] { done->set_value(); });
  ASSERT_EQ(done->get_future().wait_for(patience), std::future_status::ready);
}

TEST(StoreThread, DoesOneWorkAfterTheOther) {
  const auto thread = StoreThread::acquire(Store::ledger);
  std::vector<int> done;
  for (int i = 0; i < 100; ++i) thread->post([&done, i] { done.push_back(i); });
  wait_for_all_before(*thread);
  ASSERT_EQ(done.size(), 100U);
  EXPECT_TRUE(std::ranges::is_sorted(done));
}

TEST(StoreThread, AnAnswerRunsBeforeWaitingTasks) {
  const auto thread = StoreThread::acquire(Store::ledger);
  HeldUp held(*thread);
  std::vector<int> done;
  thread->post([&] { done.push_back(2); });
  thread->post_ahead([&] { done.push_back(1); });
  held.release();
  wait_for_all_before(*thread);
  EXPECT_EQ(done, (std::vector{1, 2}));
}

TEST(StoreThread, OfOneStoreDoesNotWaitForAnother) {
  const auto ledger = StoreThread::acquire(Store::ledger);
  const auto clips = StoreThread::acquire(Store::clips);
  HeldUp held(*ledger);
  wait_for_all_before(*clips);
  held.release();
}

TEST(StoreThread, TellsHowLongItsWorkIsUnderWay) {
  const auto thread = StoreThread::acquire(Store::settings);
  HeldUp held(*thread);
  const auto before = thread->busy_for();
  EXPECT_GT(thread->busy_for(), before);
  held.release();
  wait_for_all_before(*thread);
}

// Two threads for one store would be two readers of one pipe, and two writers that overtake each
// other.
TEST(StoreThread, ThereIsNoSecondOneWhileTheFirstIsHeldUp) {
  auto first = StoreThread::acquire(Store::settings);
  HeldUp held(*first);
  first.reset();
  const auto second = StoreThread::acquire(Store::settings);
  EXPECT_EQ(threads_named("veo-settings"), 1U);
  bool is_done = false;
  second->post([&] { is_done = true; });
  EXPECT_FALSE(is_done);
  held.release();
  wait_for_all_before(*second);
  EXPECT_TRUE(is_done);
}

TEST(StoreThread, EndsWithItsLastHolderAndItsWork) {
  bool is_done = false;
  {
    const auto thread = StoreThread::acquire(Store::clips);
    HeldUp held(*thread);
    thread->post([&] { is_done = true; });
    held.release();
  }
  const auto until = std::chrono::steady_clock::now() + patience;
  while (threads_named("veo-clips") > 0 && std::chrono::steady_clock::now() < until) {
    std::this_thread::yield();
  }
  EXPECT_EQ(threads_named("veo-clips"), 0U);
  EXPECT_TRUE(is_done);
}

}  // namespace
}  // namespace veo
