// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/http/io_thread.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "client.h"

namespace veo::test {
namespace {

using http::IoThread;
using ::testing::ElementsAre;

TEST(IoThread, IsOneForAllAndHasItsName) {
  const auto first = IoThread::acquire();
  const auto second = IoThread::acquire();
  EXPECT_EQ(first, second);
  Event ran;
  first->post([&] { ran.set(); });
  ASSERT_TRUE(ran.wait());
  EXPECT_EQ(threads_named("veo-io"), 1U);
}

TEST(IoThread, RunsTasksInOrderOnItself) {
  const auto thread = IoThread::acquire();
  EXPECT_FALSE(thread->is_current());
  std::vector<int> order;
  Event done;
  for (int i = 0; i < 3; ++i) {
    thread->post([&, i] {
      EXPECT_TRUE(thread->is_current());
      order.push_back(i);
    });
  }
  thread->post([&] {
    // This task runs after the tasks that were posted before.
    thread->post([&] {
      order.push_back(4);
      done.set();
    });
    order.push_back(3);
  });
  ASSERT_TRUE(done.wait());
  EXPECT_THAT(order, ElementsAre(0, 1, 2, 3, 4));
}

TEST(IoThread, EndsWithTheLastReference) {
  auto first = IoThread::acquire();
  auto second = IoThread::acquire();
  first.reset();
  Event ran;
  second->post([&] { ran.set(); });
  ASSERT_TRUE(ran.wait());
  EXPECT_EQ(threads_named("veo-io"), 1U);
  second.reset();
  EXPECT_TRUE(threads_end("veo-io"));
}

TEST(IoThread, RunsWhatIsQueuedBeforeItEnds) {
  std::vector<int> order;
  auto thread = IoThread::acquire();
  for (int i = 0; i < 100; ++i) thread->post([&, i] { order.push_back(i); });
  thread.reset();  // joins the thread
  ASSERT_EQ(order.size(), 100U);
  EXPECT_EQ(order.front(), 0);
  EXPECT_EQ(order.back(), 99);
}

TEST(IoThread, MayBeReleasedOnItself) {
  Event released;
  auto thread = IoThread::acquire();
  auto& there = *thread;
  there.post([&, held = std::exchange(thread, nullptr)]() mutable {
    held.reset();
    released.set();
  });
  ASSERT_TRUE(released.wait());
  EXPECT_TRUE(threads_end("veo-io"));
}

TEST(IoThread, StartsAgain) {
  IoThread::acquire().reset();
  const auto thread = IoThread::acquire();
  Event ran;
  thread->post([&] { ran.set(); });
  EXPECT_TRUE(ran.wait());
}

class Timers : public ::testing::Test {
 protected:
  const std::shared_ptr<IoThread> thread_ = IoThread::acquire();
  Event done_;
  std::vector<int> order_;               // used only by the I/O thread until done_
  std::vector<IoThread::Timer> timers_;  // likewise

  ~Timers() override {
    Event cleared;
    thread_->post([&] {
      timers_.clear();
      cleared.set();
    });
    EXPECT_TRUE(cleared.wait());
  }
};

TEST_F(Timers, FireInOrderOfTheirTime) {
  thread_->post([&] {
    timers_.push_back(thread_->after(20ms, [&] {
      order_.push_back(20);
      done_.set();
    }));
    timers_.push_back(thread_->after(0ms, [&] { order_.push_back(0); }));
    timers_.push_back(thread_->after(10ms, [&] { order_.push_back(10); }));
  });
  ASSERT_TRUE(done_.wait());
  EXPECT_THAT(order_, ElementsAre(0, 10, 20));
}

TEST_F(Timers, DoNotFireWhenCancelledOrReplacedOrGone) {
  thread_->post([&] {
    auto cancelled = thread_->after(0ms, [&] { order_.push_back(1); });
    cancelled.cancel();
    {
      const auto gone = thread_->after(0ms, [&] { order_.push_back(2); });
    }
    auto replaced = thread_->after(0ms, [&] { order_.push_back(3); });
    replaced = thread_->after(0ms, [&] { order_.push_back(4); });
    timers_.push_back(std::move(replaced));
    timers_.push_back(thread_->after(1ms, [&] { done_.set(); }));
  });
  ASSERT_TRUE(done_.wait());
  EXPECT_THAT(order_, ElementsAre(4));
}

TEST_F(Timers, MayBeReplacedByTheirOwnTask) {
  thread_->post([&] {
    timers_.push_back(thread_->after(0ms, [&] {
      order_.push_back(1);
      timers_.front() = thread_->after(0ms, [&] {
        order_.push_back(2);
        done_.set();
      });
    }));
  });
  ASSERT_TRUE(done_.wait());
  EXPECT_THAT(order_, ElementsAre(1, 2));
}

}  // namespace
}  // namespace veo::test
