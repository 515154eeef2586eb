// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/system/wakeup.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

namespace veo {
namespace {

using std::chrono::steady_clock;

TEST(Wakeup, ReturnsWhatIsThereAtOnce) {
  Wakeup wakeup;
  EXPECT_EQ(wakeup.wait_for([] { return std::optional<int>(7); }), 7);
  wakeup.interrupt();
  EXPECT_EQ(wakeup.wait_for([] { return std::optional<int>(8); }), 8)
      << "an interruption does not hide what is there";
}

// The change comes after the look that finds nothing, and before the sleep.
TEST(Wakeup, DoesNotLoseANotificationBetweenTheLookAndTheSleep) {
  Wakeup wakeup;
  int looks = 0;
  std::optional<int> answer;
  const auto found = wakeup.wait_for([&] {
    const auto seen = answer;
    if (++looks == 1) {
      answer = 7;
      wakeup.notify();
    }
    return seen;
  });
  EXPECT_EQ(found, 7);
  EXPECT_EQ(looks, 2);
}

TEST(Wakeup, InterruptEndsEveryWaitUntilResumed) {
  Wakeup wakeup;
  wakeup.interrupt();
  int looks = 0;
  const auto never = [&] {
    ++looks;
    return false;
  };
  EXPECT_FALSE(wakeup.wait_for(never));
  EXPECT_FALSE(wakeup.wait_for(never, [] { return Wakeup::Time::max(); }));
  EXPECT_EQ(looks, 2);
  wakeup.wait_for_interruption();
  EXPECT_FALSE(wakeup.wait_for([&] {
    wakeup.notify();
    return false;
  })) << "an interruption has priority over a notification";
  wakeup.resume();
  EXPECT_TRUE(wakeup.wait_for([&] {
    wakeup.notify();
    return ++looks == 4;
  }));
}

TEST(Wakeup, InterruptEndsTheWaitOfAnotherThread) {
  Wakeup wakeup;
  std::atomic<bool> looked = false;
  const std::jthread other([&] {
    while (!looked) std::this_thread::yield();
    wakeup.interrupt();
  });
  EXPECT_FALSE(wakeup.wait_for([&] {
    looked = true;
    return false;
  }));
}

TEST(Wakeup, LooksAgainAtTheMomentThatIsNamed) {
  Wakeup wakeup;
  int looks = 0;
  const auto begin = steady_clock::now();
  const auto third = [&] { return ++looks == 3; };
  EXPECT_TRUE(wakeup.wait_for(
      third, [begin, &looks] { return begin + looks * std::chrono::milliseconds(2); }));
  EXPECT_GE(steady_clock::now(), begin + std::chrono::milliseconds(4));
}

TEST(Wakeup, HandsEveryStepFromThreadToThread) {
  Wakeup there;
  Wakeup back;
  std::atomic<int> value = 0;
  constexpr int steps = 2000;
  std::jthread echo([&] {
    for (int step = 1; step <= steps; ++step) {
      if (!there.wait_for([&] { return value == 2 * step - 1; })) return;
      ++value;
      back.notify();
    }
  });
  for (int step = 1; step <= steps; ++step) {
    ++value;
    there.notify();
    ASSERT_TRUE(back.wait_for([&] { return value == 2 * step; }));
  }
}

TEST(Subscribers, NotifyThoseThatAreLeft) {
  Subscribers subscribers;
  int notified = 0;
  const auto stays = std::make_shared<Wakeup>([&] { ++notified; });
  subscribers.add(stays);
  subscribers.add(std::make_shared<Wakeup>());  // destroyed at once
  subscribers.notify();
  EXPECT_EQ(notified, 1);
  EXPECT_EQ(subscribers.size(), 1U);
}

// Without a notification, wakeups that are destroyed must not pile up in the list.
TEST(Subscribers, ForgetThoseThatAreGoneWithoutANotification) {
  Subscribers subscribers;
  std::vector<std::shared_ptr<Wakeup>> stay;
  std::vector<int> notified(10'000);
  for (std::size_t i = 0; i < notified.size(); ++i) {
    const auto wakeup = std::make_shared<Wakeup>([&notified, i] { ++notified[i]; });
    subscribers.add(wakeup);
    if (i % 100 == 0) stay.push_back(wakeup);
  }
  EXPECT_LE(subscribers.size(), 2 * stay.size());
  subscribers.notify();
  for (std::size_t i = 0; i < notified.size(); ++i) EXPECT_EQ(notified[i], i % 100 == 0 ? 1 : 0);
}

TEST(Wakeup, APauseEndsWithTimeOrInterruption) {
  Wakeup wakeup;
  const auto now = std::chrono::steady_clock::now();
  EXPECT_TRUE(wakeup.pause(now));
  wakeup.notify();
  EXPECT_TRUE(wakeup.pause(now + std::chrono::milliseconds(1)));
  EXPECT_GE(std::chrono::steady_clock::now(), now + std::chrono::milliseconds(1));
  wakeup.interrupt();
  EXPECT_FALSE(wakeup.pause(now + std::chrono::hours(1)));
}

}  // namespace
}  // namespace veo
