// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/live_requests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace veo {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using Kind = LiveRequests::Command::Kind;
using Id = LiveRequests::Id;

const LiveRequests::Time t0 = LiveRequests::Time{} + 1000h;

std::string text_of(const LiveRequests::Command& command) {
  static const char* const names[] = {"read", "begin", "repeat", "close", "forget"};
  std::string text = names[static_cast<int>(command.kind)];
  if (command.id != 0) text += " " + std::to_string(command.id);
  if (command.of != 0) text += " of " + std::to_string(command.of);
  return text;
}

std::vector<std::string> commands(LiveRequests& requests) {
  std::vector<std::string> texts;
  for (const auto& one : requests.take_commands()) texts.push_back(text_of(one));
  return texts;
}

/// Makes a machine that begins clips, and has nothing to do yet.
LiveRequests opened(bool repeat = false) {
  LiveRequests requests;
  requests.set_repeat(repeat);
  requests.open();
  return requests;
}

/// Makes a machine that plays the clip 1.
LiveRequests playing(bool repeat = false) {
  auto requests = opened(repeat);
  const Id id = requests.request();
  requests.on_ready(id);
  EXPECT_EQ(requests.choose(), (LiveRequests::Playing{.id = 1}));
  (void)requests.take_commands();
  return requests;
}

TEST(LiveRequests, BeginsNothingBeforeItIsOpen) {
  LiveRequests requests;
  EXPECT_EQ(requests.request(), 1U);
  EXPECT_THAT(commands(requests), IsEmpty());
  EXPECT_EQ(requests.pending(), 1U);
  requests.open();
  EXPECT_THAT(commands(requests), ElementsAre("begin 1"));
  EXPECT_EQ(requests.pending(), 1U);
}

// A program sets a prompt and asks for it at once: that is one clip.
TEST(LiveRequests, ARequestTakesWhatHasNotSettled) {
  auto requests = opened();
  requests.on_set(t0);
  EXPECT_EQ(requests.request(), 1U);
  EXPECT_EQ(requests.pending(), 1U);
  EXPECT_EQ(requests.next_timer(), std::nullopt);
  requests.on_timer(t0 + 1h);
  EXPECT_THAT(commands(requests), ElementsAre("begin 1"));
  // What was set before settles while a request is made. The answer is a clip of its own.
  requests.on_set(t0 + 1h);
  requests.on_timer(t0 + 2h);
  requests.on_set(t0 + 2h);
  EXPECT_EQ(requests.on_read(), Id{2});
  EXPECT_EQ(requests.next_timer(), t0 + 2h + 250ms);
}

TEST(LiveRequests, RepeatCanBeginWhenTheClipHasEnded) {
  auto requests = playing();
  requests.on_ended(1);
  EXPECT_EQ(requests.choose(), std::nullopt);
  EXPECT_THAT(commands(requests), ElementsAre("close 1"));
  requests.set_repeat(true);
  EXPECT_THAT(commands(requests), ElementsAre("repeat 2 of 1"));
  requests.on_ready(2);
  EXPECT_EQ(requests.choose(), (LiveRequests::Playing{.id = 2, .is_repetition = true}));
}

TEST(LiveRequests, AThousandSettingsASecondAreOneRequest) {
  auto requests = opened();
  auto now = t0;
  for (int i = 0; i < 1000; ++i) {
    now += 1ms;
    requests.on_set(now);
    requests.on_timer(now);
    ASSERT_THAT(commands(requests), IsEmpty());
    ASSERT_EQ(requests.pending(), 1U);
  }
  ASSERT_EQ(requests.next_timer(), now + 250ms);
  requests.on_timer(now + 249ms);
  EXPECT_THAT(commands(requests), IsEmpty());
  requests.on_timer(now + 250ms);
  EXPECT_THAT(commands(requests), ElementsAre("read"));
  EXPECT_EQ(requests.next_timer(), std::nullopt);
  EXPECT_EQ(requests.pending(), 1U);
  EXPECT_EQ(requests.on_read(), Id{1});
  EXPECT_THAT(commands(requests), ElementsAre("begin 1"));
  EXPECT_EQ(requests.pending(), 1U);
  requests.on_timer(now + 1h);
  EXPECT_THAT(commands(requests), IsEmpty());
}

TEST(LiveRequests, ASettingDuringAReadIsAnotherRequest) {
  auto requests = opened();
  requests.on_set(t0);
  requests.on_timer(t0 + 250ms);
  requests.on_set(t0 + 251ms);
  // The driver is slow: the answer to the first read is not here when the second is due.
  requests.on_timer(t0 + 501ms);
  EXPECT_THAT(commands(requests), ElementsAre("read"));
  EXPECT_EQ(requests.on_read(), Id{1});
  requests.on_timer(t0 + 502ms);
  EXPECT_THAT(commands(requests), ElementsAre("begin 1", "read"));
  EXPECT_EQ(requests.on_read(), Id{2});
  EXPECT_EQ(requests.pending(), 2U);
}

TEST(LiveRequests, PropertiesThatAskForNothingAreNoRequest) {
  auto requests = opened();
  requests.on_set(t0);
  requests.on_timer(t0 + 250ms);
  requests.on_unreadable();
  EXPECT_EQ(requests.pending(), 0U);
  EXPECT_EQ(requests.on_read(), std::nullopt);
  EXPECT_THAT(commands(requests), ElementsAre("read"));
}

TEST(LiveRequests, OneClipIsUnderWayBesideTheOneThatPlays) {
  auto requests = opened();
  for (int i = 0; i < 3; ++i) (void)requests.request();
  EXPECT_THAT(commands(requests), ElementsAre("begin 1"));
  EXPECT_EQ(requests.choose(), std::nullopt);
  requests.on_ready(1);
  EXPECT_EQ(requests.choose(), (LiveRequests::Playing{.id = 1}));
  EXPECT_THAT(commands(requests), ElementsAre("begin 2"));
  EXPECT_EQ(requests.pending(), 2U);
  // The second is ready, and waits for its turn. The third waits in the queue.
  requests.on_ready(2);
  EXPECT_EQ(requests.choose(), (LiveRequests::Playing{.id = 1}));
  EXPECT_THAT(commands(requests), IsEmpty());
  requests.on_ended(1);
  EXPECT_EQ(requests.choose(), (LiveRequests::Playing{.id = 2}));
  EXPECT_THAT(commands(requests), ElementsAre("close 1", "forget 1", "begin 3"));
  requests.on_ended(2);
  EXPECT_EQ(requests.choose(), std::nullopt);
  EXPECT_EQ(requests.pending(), 1U);
}

TEST(LiveRequests, AFailureBeginsTheClipBehindIt) {
  auto requests = opened();
  for (int i = 0; i < 3; ++i) (void)requests.request();
  requests.on_failed(1);
  EXPECT_THAT(commands(requests), ElementsAre("begin 1", "close 1", "forget 1", "begin 2"));
  requests.on_failed(1);
  EXPECT_THAT(commands(requests), IsEmpty());
  requests.on_ready(2);
  EXPECT_EQ(requests.choose(), (LiveRequests::Playing{.id = 2}));
  // It fails while it plays, and the third fails while it waits.
  requests.on_failed(2);
  requests.on_failed(3);
  EXPECT_EQ(requests.choose(), std::nullopt);
  EXPECT_THAT(commands(requests),
              ElementsAre("begin 3", "close 2", "forget 2", "close 3", "forget 3"));
  EXPECT_EQ(requests.pending(), 0U);
}

TEST(LiveRequests, FlushDropsWhatIsNotBegun) {
  auto requests = playing();
  for (int i = 0; i < 3; ++i) (void)requests.request();
  requests.on_set(t0);
  EXPECT_EQ(requests.pending(), 4U);
  requests.flush();
  EXPECT_THAT(commands(requests), ElementsAre("begin 2", "forget 3", "forget 4"));
  EXPECT_EQ(requests.pending(), 1U);
  requests.on_timer(t0 + 1h);
  EXPECT_THAT(commands(requests), IsEmpty());
  // The clip that was begun stays.
  requests.on_ready(2);
  requests.on_ended(1);
  EXPECT_EQ(requests.choose(), (LiveRequests::Playing{.id = 2}));
}

TEST(LiveRequests, FlushDropsPropertiesThatAreBeingRead) {
  auto requests = opened();
  requests.on_set(t0);
  requests.on_timer(t0 + 250ms);
  requests.flush();
  EXPECT_EQ(requests.on_read(), std::nullopt);
  EXPECT_EQ(requests.pending(), 0U);
  EXPECT_THAT(commands(requests), ElementsAre("read"));
}

TEST(LiveRequests, SkipEndsTheClipThatPlays) {
  auto requests = playing();
  (void)requests.request();
  requests.skip();
  EXPECT_EQ(requests.choose(), std::nullopt);
  EXPECT_THAT(commands(requests), ElementsAre("begin 2", "close 1", "forget 1"));
  // Nothing plays, so nothing is skipped: the clip that is under way stays.
  requests.skip();
  EXPECT_THAT(commands(requests), IsEmpty());
  requests.on_ready(2);
  EXPECT_EQ(requests.choose(), (LiveRequests::Playing{.id = 2}));
}

TEST(LiveRequests, RepeatsUntilTheNextClipIsReady) {
  auto requests = opened(true);
  requests.on_ready(requests.request());
  (void)requests.choose();
  EXPECT_THAT(commands(requests), ElementsAre("begin 1", "repeat 2 of 1"));
  requests.on_ready(2);
  EXPECT_EQ(requests.choose(), (LiveRequests::Playing{.id = 1}));
  requests.on_ended(1);
  EXPECT_EQ(requests.choose(), (LiveRequests::Playing{.id = 2, .is_repetition = true}));
  EXPECT_THAT(commands(requests), ElementsAre("close 1", "repeat 3 of 1"));
  EXPECT_EQ(requests.pending(), 0U);

  const Id next = requests.request();
  EXPECT_EQ(next, 4U);
  requests.on_ready(3);
  requests.on_ended(2);
  EXPECT_EQ(requests.choose(), (LiveRequests::Playing{.id = 3, .is_repetition = true}));
  EXPECT_THAT(commands(requests), ElementsAre("begin 4", "close 2", "repeat 5 of 1"));
  // The repetition gives way in its middle.
  requests.on_ready(next);
  EXPECT_EQ(requests.choose(), (LiveRequests::Playing{.id = 4}));
  EXPECT_THAT(commands(requests), ElementsAre("close 3", "close 5", "forget 1", "repeat 6 of 4"));
}

TEST(LiveRequests, ARepetitionThatFailsIsNotTriedAgain) {
  auto requests = playing(true);
  requests.on_failed(2);
  EXPECT_THAT(commands(requests), ElementsAre("close 2", "forget 1"));
  requests.on_ended(1);
  EXPECT_EQ(requests.choose(), std::nullopt);
  requests.set_repeat(true);
  EXPECT_THAT(commands(requests), ElementsAre("close 1"));
  // Another clip was played, so that clip is repeated.
  requests.on_ready(requests.request());
  (void)requests.choose();
  EXPECT_THAT(commands(requests), ElementsAre("begin 3", "repeat 4 of 3"));
}

TEST(LiveRequests, ARepetitionThatFailsWhileItPlaysIsNotTriedAgain) {
  auto requests = playing(true);
  requests.on_ready(2);
  requests.on_ended(1);
  (void)requests.choose();
  (void)requests.take_commands();
  requests.on_failed(2);
  EXPECT_THAT(commands(requests), ElementsAre("close 2", "close 3", "forget 1"));
  EXPECT_EQ(requests.choose(), std::nullopt);
}

TEST(LiveRequests, ASkippedClipIsNotRepeated) {
  auto requests = playing(true);
  requests.on_ready(2);
  requests.skip();
  EXPECT_THAT(commands(requests), ElementsAre("close 1", "close 2", "forget 1"));
  EXPECT_EQ(requests.choose(), std::nullopt);
}

TEST(LiveRequests, ASkippedRepetitionIsTheLast) {
  auto requests = playing(true);
  requests.on_ready(2);
  requests.on_ended(1);
  (void)requests.choose();
  (void)requests.take_commands();
  requests.on_ready(3);
  requests.skip();
  EXPECT_THAT(commands(requests), ElementsAre("close 2", "close 3", "forget 1"));
  EXPECT_EQ(requests.choose(), std::nullopt);
}

TEST(LiveRequests, RepeatMayBeSetAtAnyTime) {
  auto requests = playing();
  requests.on_ended(1);
  EXPECT_EQ(requests.choose(), std::nullopt);
  requests.set_repeat(true);
  EXPECT_THAT(commands(requests), ElementsAre("close 1", "repeat 2 of 1"));
  requests.set_repeat(true);
  EXPECT_THAT(commands(requests), IsEmpty());
  requests.on_ready(2);
  EXPECT_EQ(requests.choose(), (LiveRequests::Playing{.id = 2, .is_repetition = true}));
  requests.set_repeat(false);
  EXPECT_THAT(commands(requests), ElementsAre("repeat 3 of 1", "close 3"));
  // The repetition that plays goes on to its end, and is the last.
  EXPECT_EQ(requests.choose(), (LiveRequests::Playing{.id = 2, .is_repetition = true}));
  requests.on_ended(2);
  EXPECT_EQ(requests.choose(), std::nullopt);
}

TEST(LiveRequests, CloseEndsEverything) {
  auto requests = playing(true);
  for (int i = 0; i < 2; ++i) (void)requests.request();
  requests.on_set(t0);
  (void)requests.take_commands();
  requests.close();
  EXPECT_THAT(commands(requests),
              ElementsAre("forget 4", "close 3", "forget 3", "close 1", "close 2", "forget 1"));
  EXPECT_EQ(requests.pending(), 0U);
  EXPECT_EQ(requests.next_timer(), std::nullopt);
  EXPECT_EQ(requests.choose(), std::nullopt);
  // Nothing begins until open().
  (void)requests.request();
  EXPECT_THAT(commands(requests), IsEmpty());
}

}  // namespace
}  // namespace veo
