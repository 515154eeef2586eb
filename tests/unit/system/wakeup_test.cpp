// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/system/wakeup.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace veo {
namespace {

TEST(Wakeup, ANotificationAfterTheTicketIsNotLost) {
  Wakeup wakeup;
  const auto ticket = wakeup.ticket();
  wakeup.notify();
  EXPECT_TRUE(wakeup.wait(ticket));
}

TEST(Wakeup, InterruptEndsEveryWaitUntilResumed) {
  Wakeup wakeup;
  wakeup.interrupt();
  EXPECT_FALSE(wakeup.wait(wakeup.ticket()));
  const auto ticket = wakeup.ticket();
  wakeup.notify();
  EXPECT_FALSE(wakeup.wait(ticket)) << "an interruption has priority over a notification";
  wakeup.resume();
  EXPECT_TRUE(wakeup.wait(ticket));
}

TEST(Wakeup, AWaitEndsAtItsMomentOrBefore) {
  Wakeup wakeup;
  const auto past = std::chrono::steady_clock::now();
  EXPECT_TRUE(wakeup.wait(wakeup.ticket(), past));
  const auto never = std::chrono::steady_clock::time_point::max();
  const auto ticket = wakeup.ticket();
  wakeup.notify();
  EXPECT_TRUE(wakeup.wait(ticket, never));
  wakeup.interrupt();
  EXPECT_FALSE(wakeup.wait(wakeup.ticket(), never));
}

TEST(Wakeup, HandsEveryStepFromThreadToThread) {
  Wakeup there;
  Wakeup back;
  std::atomic<int> value = 0;
  constexpr int steps = 2000;
  std::jthread echo([&] {
    for (int step = 1; step <= steps; ++step) {
      for (;;) {
        const auto ticket = there.ticket();
        if (value == 2 * step - 1) break;
        if (!there.wait(ticket)) return;
      }
      ++value;
      back.notify();
    }
  });
  for (int step = 1; step <= steps; ++step) {
    const auto ticket = back.ticket();
    ++value;
    there.notify();
    ASSERT_TRUE(back.wait(ticket));
    ASSERT_EQ(value, 2 * step);
  }
}

TEST(Subscribers, NotifyThoseThatAreLeft) {
  Subscribers subscribers;
  auto stays = std::make_shared<Wakeup>();
  subscribers.add(stays);
  subscribers.add(std::make_shared<Wakeup>());  // destroyed at once
  const auto ticket = stays->ticket();
  subscribers.notify();
  EXPECT_NE(stays->ticket(), ticket);
}

// Without a notification, wakeups that are destroyed must not pile up in the list.
TEST(Subscribers, ForgetThoseThatAreGoneWithoutANotification) {
  Subscribers subscribers;
  std::vector<std::shared_ptr<Wakeup>> stay;
  for (int i = 0; i < 10'000; ++i) {
    const auto wakeup = std::make_shared<Wakeup>();
    subscribers.add(wakeup);
    if (i % 100 == 0) stay.push_back(wakeup);
  }
  EXPECT_LE(subscribers.size(), 2 * stay.size());
  std::vector<Wakeup::Ticket> tickets;
  for (const auto& wakeup : stay) tickets.push_back(wakeup->ticket());
  subscribers.notify();
  for (std::size_t i = 0; i < stay.size(); ++i) EXPECT_NE(stay[i]->ticket(), tickets[i]);
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
