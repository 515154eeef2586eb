// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/job/request_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <map>
#include <utility>
#include <vector>

namespace veo {
namespace {

using namespace std::chrono_literals;
using http::IoThread;
using Clock = IoThread::Clock;

/// Everything runs on the I/O thread. Each test uses another API, because queues outlive a test.
class RequestQueueTest : public ::testing::Test {
 protected:
  RequestQueueTest() {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    queue_ =
        RequestQueue::of(std::string("https://") + test->name() + ".example/v1", Secret("sk-1"));
  }
  ~RequestQueueTest() override {
    run([this] { turns_.clear(); });
  }

  void run(const std::function<void()>& task) {
    std::promise<void> done;
    thread_->post([&] {
      task();
      done.set_value();
    });
    ASSERT_EQ(done.get_future().wait_for(10s), std::future_status::ready);
  }

  void enter(int name) {
    turns_[name] = queue_->enter(thread_, [this, name] {
      order_.push_back(name);
      came_[name] = Clock::now();
    });
  }

  /// Waits until the I/O thread has done everything that is due.
  void settle() {
    for (int i = 0; i < 3; ++i) run([] {});
  }

  void wait_for(int name) {
    const auto end = Clock::now() + 10s;
    for (bool came = false; !came;) {
      ASSERT_LT(Clock::now(), end);
      run([&] { came = came_.contains(name); });
    }
  }

  const std::shared_ptr<IoThread> thread_ = IoThread::acquire();
  std::shared_ptr<RequestQueue> queue_;
  // Only the I/O thread uses these.
  std::map<int, RequestQueue::Turn> turns_;
  std::map<int, Clock::time_point> came_;
  std::vector<int> order_;
};

TEST_F(RequestQueueTest, IsOneForAnOriginAndKey) {
  const auto of = [](const char* url, const char* key) {
    return RequestQueue::of(url, Secret(key));
  };
  EXPECT_EQ(of("https://a.example/v1", "sk-1"), of("https://a.example:443/v2", "sk-1"));
  EXPECT_NE(of("https://a.example/v1", "sk-1"), of("https://a.example/v1", "sk-2"));
  EXPECT_NE(of("https://a.example/v1", "sk-1"), of("https://b.example/v1", "sk-1"));
}

// A process that uses many keys or services over months must not grow.
TEST_F(RequestQueueTest, ForgetsUnusedQueues) {
  const auto of = [](std::size_t number) {
    return RequestQueue::of("https://" + std::to_string(number) + ".idle.example/v1",
                            Secret("sk-1"));
  };
  const auto used = of(0);
  const std::weak_ptr<RequestQueue> unused = of(1);
  std::weak_ptr<RequestQueue> last;
  for (std::size_t i = 2; i < 2 + RequestQueue::most_idle; ++i) last = of(i);
  EXPECT_TRUE(unused.expired());
  EXPECT_FALSE(last.expired()) << "the latest queues keep what they have learned";
  EXPECT_EQ(of(0), used);
}

TEST_F(RequestQueueTest, LetsAFewGoAtOnceInTheirOrder) {
  run([&] {
    for (int i = 0; i < 10; ++i) enter(i);
    EXPECT_TRUE(order_.empty());  // a turn never comes inside the call
  });
  settle();
  run([&] { EXPECT_EQ(order_, (std::vector<int>{0, 1, 2, 3, 4, 5})); });
  run([&] { turns_.erase(3); });
  settle();
  run([&] { EXPECT_EQ(order_.back(), 6); });
}

TEST_F(RequestQueueTest, ForgetsARequestThatLeavesTheQueue) {
  run([&] {
    for (int i = 0; i < 8; ++i) enter(i);
    turns_.erase(0);
    turns_.erase(6);
  });
  settle();
  run([&] { EXPECT_EQ(order_, (std::vector<int>{1, 2, 3, 4, 5, 7})); });
}

TEST_F(RequestQueueTest, HoldsAllAfterA429) {
  Clock::time_point limited;
  run([&] { enter(0); });
  wait_for(0);
  run([&] {
    turns_[0].report_rate_limit(1s);
    limited = Clock::now();
    turns_.erase(0);
    enter(1);
    enter(2);
  });
  wait_for(2);
  run([&] {
    EXPECT_GE(came_[1] - limited, 990ms);
    EXPECT_GE(came_[2] - came_[1], 90ms);  // the others do not all follow at once
  });
}

TEST_F(RequestQueueTest, ARequestMayLeaveWhenItsTurnComes) {
  run([&] {
    turns_[0] = queue_->enter(thread_, [this] {
      order_.push_back(0);
      turns_.erase(0);
    });
    for (int i = 1; i <= 6; ++i) enter(i);
  });
  settle();
  run([&] { EXPECT_EQ(order_.size(), 7U); });
}

}  // namespace
}  // namespace veo
