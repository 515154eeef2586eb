// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Tests of callbacks: which calls bring a task's next query forward, and how many queries they
// cause.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>

#include "command.h"
#include "http_client.h"
#include "test_pipeline.h"

namespace veo::test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using nlohmann::json;
using testing::Contains;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

constexpr auto patience = 20s;

/// Returns the `callback_url` of the submission with this prompt.
std::string callback_url(const Simulator& simulator, const std::string& prompt) {
  for (const auto& request : simulator.log()) {
    if (request.at("method") != "POST") continue;
    const auto body = json::parse(request.at("body").get<std::string>());
    if (body.at("input").at("prompt") == prompt) return body.value("callback_url", "");
  }
  return "";
}

/// Posts a forged callback. Returns the status of the answer, or 0 if nobody listens.
unsigned call(const std::string& url) {
  try {
    return http_request("POST", url, {}, R"({"id": "forged", "status": "completed"})").status;
  } catch (const std::runtime_error&) {
    return 0;
  }
}

bool ends_listening(const std::string& url) {
  const auto deadline = Clock::now() + patience;
  while (Clock::now() < deadline) {
    if (call(url) == 0) return true;
    std::this_thread::yield();
  }
  return false;
}

std::uint64_t queries(const Simulator& simulator) { return simulator.state().at("queries"); }

bool reaches(const Simulator& simulator, std::uint64_t expected) {
  const auto deadline = Clock::now() + patience;
  while (queries(simulator) < expected) {
    if (Clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return queries(simulator) == expected;
}

/// A pipeline whose source polls only once an hour: any earlier query comes from a callback.
class Waiting : public TestPipeline {
 public:
  Waiting(const Simulator& simulator, const std::string& properties)
      : TestPipeline("veosrc name=src " + properties + " ! fakesink") {
    use(simulator);
    g_object_set(element("src").get(), "poll-interval", 3'600'000, nullptr);
  }
  /// Waits until the service has accepted the task. Returns false on an error or after 60 s.
  [[nodiscard]] bool submit() {
    start(GST_STATE_PAUSED);
    while (tasks().empty() || tasks().back().starts_with("none")) {
      if (!next(GST_MESSAGE_ELEMENT) || failure()) return false;
    }
    return true;
  }
};

TEST(Callback, TellsTheEndInOneQuery) {
  const auto simulator = Simulator::start({"--generation-time", "300ms", "--frames", "24"});
  Waiting run(simulator, "prompt=x callback-listen=127.0.0.1:0");
  ASSERT_TRUE(run.finish());
  ASSERT_FALSE(run.failure()) << run.failure()->text;
  EXPECT_EQ(queries(simulator), 1U);
  EXPECT_EQ(simulator.state().at("callbacks"), 1);
  EXPECT_THAT(callback_url(simulator, "x"), MatchesRegex("http://127.0.0.1:[0-9]+/[0-9a-f]+"));
  EXPECT_TRUE(run.warnings().empty());
}

// The service answers the submission late, so the callback arrives before the task id is known.
TEST(Callback, MayComeBeforeTheTaskIdIsKnown) {
  const auto simulator = Simulator::start(
      {"--generation-time", "0s", "--frames", "24", "--fault", "submit:delay=1500ms"});
  Waiting run(simulator, "prompt=x callback-listen=127.0.0.1:0");
  ASSERT_TRUE(run.finish());
  ASSERT_FALSE(run.failure()) << run.failure()->text;
  EXPECT_EQ(queries(simulator), 1U);
}

TEST(Callback, AFailedTaskIsToldToo) {
  const auto simulator = Simulator::start({"--generation-time", "100ms", "--fault", "task:failed"});
  Waiting run(simulator, "prompt=x callback-listen=127.0.0.1:0");
  ASSERT_TRUE(run.finish());
  ASSERT_TRUE(run.failure());
  EXPECT_EQ(run.failure()->details.at("code"), "task-failed");
  EXPECT_EQ(queries(simulator), 1U);
}

TEST(Callback, ALostCallbackCostsALittleTime) {
  const auto simulator = Simulator::start(
      {"--generation-time", "300ms", "--frames", "24", "--fault", "callback:lost-answer"});
  Waiting run(simulator, "prompt=x callback-listen=127.0.0.1:0");
  g_object_set(run.element("src").get(), "poll-interval", 0, nullptr);
  ASSERT_TRUE(run.finish());
  ASSERT_FALSE(run.failure()) << run.failure()->text;
  EXPECT_EQ(queries(simulator), 1U) << "the first poll is after 3 s; without callbacks, after 1 s";
}

TEST(Callback, ComesThroughTheUsersProxy) {
  const auto simulator = Simulator::start({"--generation-time", "1h"});
  // Both sources share one listening socket; the callback URL of the first one tells its port.
  Waiting direct(simulator, "prompt=direct callback-listen=127.0.0.1:0");
  Waiting behind(simulator,
                 "prompt=behind callback-listen=127.0.0.1:0 "
                 "callback-url=https://me.example/veo/?who=me");
  ASSERT_TRUE(direct.submit());
  ASSERT_TRUE(behind.submit());
  const auto own = callback_url(simulator, "direct");
  const auto sent = callback_url(simulator, "behind");
  EXPECT_THAT(sent, MatchesRegex("https://me.example/veo/[0-9a-f]+\\?who=me"));
  const auto listener = own.substr(0, own.rfind('/'));
  // A proxy may keep or remove its path prefix when it forwards the call. Both forms are accepted.
  const auto target = sent.substr(sent.find("/veo"));
  EXPECT_EQ(call(listener + target), 204U);
  EXPECT_TRUE(reaches(simulator, 1));
  EXPECT_EQ(call(listener + target.substr(4)), 204U);
  EXPECT_EQ(call(own), 204U);
  EXPECT_TRUE(reaches(simulator, 2)) << "each path wakes only its own task";
}

TEST(Callback, AnyNumberOfCallsCausesOneQueryInFiveSeconds) {
  const auto simulator = Simulator::start({"--generation-time", "1h"});
  Waiting run(simulator, "prompt=x callback-listen=127.0.0.1:0");
  ASSERT_TRUE(run.submit());
  const auto url = callback_url(simulator, "x");
  const auto start = Clock::now();
  unsigned calls = 0;
  std::uint64_t asked = 0;
  while (asked < 2 && Clock::now() < start + patience) {
    for (int i = 0; i < 100; ++i, ++calls) {
      ASSERT_EQ(call(url), 204U);
      ASSERT_EQ(call(url + "0"), 404U);
    }
    asked = queries(simulator);
    EXPECT_LE(asked, 1U + static_cast<std::uint64_t>((Clock::now() - start) / 5s));
  }
  EXPECT_EQ(asked, 2U) << "a query follows the last call";
  EXPECT_GE(Clock::now() - start, 5s);
  std::printf("  %u callbacks, as many to other paths, %u queries\n", calls,
              static_cast<unsigned>(asked));
  run.stop();
  EXPECT_TRUE(ends_listening(url));
  EXPECT_LE(queries(simulator), 3U);
}

TEST(Callback, APathIsForgottenWithItsTask) {
  const auto simulator =
      Simulator::start({"--generation-time", "0s", "--frames", "24", "--fault", "task:slow=1h@2"});
  Waiting done(simulator, "prompt=done callback-listen=127.0.0.1:0");
  Waiting goes_on(simulator, "prompt=goes-on callback-listen=127.0.0.1:0");
  ASSERT_TRUE(done.submit());
  ASSERT_TRUE(goes_on.submit());
  ASSERT_TRUE(done.finish());
  ASSERT_FALSE(done.failure()) << done.failure()->text;
  ASSERT_EQ(queries(simulator), 1U);
  // The task is over, but its element still exists when the late calls come.
  EXPECT_EQ(call(callback_url(simulator, "done")), 404U);
  EXPECT_EQ(call(callback_url(simulator, "goes-on")), 204U);
  EXPECT_TRUE(reaches(simulator, 2));
}

TEST(Callback, ATaskThatIsJoinedIsPolled) {
  const auto simulator = Simulator::start({"--generation-time", "700ms", "--frames", "24"});
  {
    Waiting first(simulator, "prompt=x callback-listen=127.0.0.1:0");
    ASSERT_TRUE(first.submit());
  }
  ASSERT_TRUE(ends_listening(callback_url(simulator, "x")));
  TestPipeline later("veosrc name=src prompt=x callback-listen=127.0.0.1:0 ! fakesink");
  later.use(simulator);
  ASSERT_TRUE(later.finish());
  ASSERT_FALSE(later.failure()) << later.failure()->text;
  EXPECT_EQ(simulator.state().at("charges"), 1);
  EXPECT_THAT(later.warnings(), Contains(HasSubstr("keeps the callback URL")));
}

class BadListen : public testing::TestWithParam<const char*> {};
TEST_P(BadListen, IsRefusedByNameBeforeAnythingIsSent) {
  const auto simulator = Simulator::start({"--generation-time", "0s", "--frames", "24"});
  const auto api = simulator.api_url();
  std::string value = GetParam();
  if (value == "taken") value = api.substr(7, api.rfind('/') - 7);
  Waiting run(simulator, "prompt=x callback-listen=" + value);
  ASSERT_TRUE(run.finish());
  ASSERT_TRUE(run.failure());
  EXPECT_EQ(run.failure()->details.at("code"), "invalid-request");
  EXPECT_EQ(run.failure()->details.at("charged"), "no");
  EXPECT_THAT(run.failure()->text, HasSubstr("callback-listen=" + value));
  EXPECT_EQ(simulator.state().at("submissions"), 0);
  EXPECT_EQ(simulator.state().at("charges"), 0);
  // A refused address does not spoil the request: it can be submitted afterwards.
  run.stop();
  Waiting good(simulator, "prompt=x callback-listen=127.0.0.1:0");
  ASSERT_TRUE(good.finish());
  ASSERT_FALSE(good.failure()) << good.failure()->text;
  EXPECT_EQ(simulator.state().at("charges"), 1);
}
INSTANTIATE_TEST_SUITE_P(All, BadListen,
                         testing::Values("localhost:8080", "127.0.0.1", "127.0.0.1:65536",
                                         "0.0.0.0:0", "taken"));

TEST(CallbackListen, WarnsOfAnAddressThatOthersReach) {
  const auto simulator = Simulator::start({});
  // No machine has this address, which is reserved for documentation (RFC 5737). The warning comes
  // before the attempt to listen fails.
  Waiting run(simulator, "prompt=x callback-listen=192.0.2.1:0");
  ASSERT_TRUE(run.finish());
  EXPECT_THAT(run.warnings(), Contains(HasSubstr("callback-listen=192.0.2.1:0")));
  ASSERT_TRUE(run.failure());
  EXPECT_EQ(run.failure()->details.at("code"), "invalid-request");
  EXPECT_EQ(simulator.state().at("submissions"), 0);
}

TEST(CallbackListen, OnLoopbackNeedsAUrlWhereTheServiceIsElsewhere) {
  TestPipeline alone(
      "veosrc prompt=x dry-run=true api-url=https://api.example/v1 "
      "callback-listen=127.0.0.1:8080 ! fakesink");
  ASSERT_TRUE(alone.finish());
  ASSERT_TRUE(alone.failure());
  EXPECT_EQ(alone.failure()->details.at("code"), "invalid-request");
  EXPECT_THAT(alone.failure()->text, HasSubstr("set callback-url"));
  TestPipeline both(
      "veosrc prompt=x dry-run=true api-url=https://api.example/v1 "
      "callback-listen=127.0.0.1:8080 callback-url=https://me.example/ ! fakesink");
  ASSERT_TRUE(both.finish());
  EXPECT_FALSE(both.failure()) << both.failure()->text;
}

TEST(CallbackListen, IsNotUsedForAKnownTask) {
  const auto simulator = Simulator::start({"--generation-time", "0s", "--frames", "24"});
  TestPipeline first("veosrc name=src prompt=x ! fakesink");
  first.use(simulator);
  ASSERT_TRUE(first.finish());
  const std::string id = simulator.state().at("tasks").at(0).at("id");
  for (const auto& what : {"task-id=" + id, std::string("prompt=x")}) {
    TestPipeline again("veosrc name=src callback-listen=nonsense " + what + " ! fakesink");
    again.use(simulator);
    ASSERT_TRUE(again.finish());
    EXPECT_FALSE(again.failure()) << again.failure()->text;
  }
  EXPECT_EQ(simulator.state().at("charges"), 1);
}

TEST(CallbackListen, StopsAtOnce) {
  const auto simulator = Simulator::start({"--generation-time", "1h"});
  Clock::duration longest{};
  for (int i = 0; i < 20; ++i) {
    Waiting run(simulator, "prompt=" + std::to_string(i) + " callback-listen=127.0.0.1:0");
    ASSERT_TRUE(run.submit());
    const auto begin = Clock::now();
    run.stop();
    longest = std::max(longest, Clock::now() - begin);
    ASSERT_TRUE(ends_listening(callback_url(simulator, std::to_string(i))));
  }
  std::printf("  longest of 20: %.1f ms\n",
              std::chrono::duration<double, std::milli>(longest).count());
  EXPECT_LT(longest, 250ms);
}

TEST(CallbackListen, ThePathIsInNoLog) {
  const auto simulator = Simulator::start({"--generation-time", "300ms", "--frames", "24"});
  const auto log = output_of(
      "GST_DEBUG='*:9' GST_DEBUG_NO_COLOR=1 G_MESSAGES_DEBUG=all VEO_API_KEY=sk-test-0123456789 "
      "VEO_API_URL=" +
      simulator.api_url() +
      " gst-launch-1.0 -v -m veosrc prompt=x callback-listen=127.0.0.1:0 ! fakesink 2>&1");
  const auto url = callback_url(simulator, "x");
  ASSERT_NE(url, "");
  EXPECT_GT(log.size(), 100'000U) << "the log is complete";
  EXPECT_THAT(log, HasSubstr("127.0.0.1:0"));
  EXPECT_THAT(log, Not(HasSubstr(url.substr(url.rfind('/') + 1))));
  EXPECT_EQ(simulator.state().at("callbacks_delivered"), 1);
}

}  // namespace
}  // namespace veo::test
