// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Tests of the action signals `prepare` and `abandon`: a prepared task is paid once, whatever
// happens to the element.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include "test_pipeline.h"

namespace veo::test {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* line = "veosrc name=src prompt=\"a dog\" ! fakesink name=sink sync=false";

bool prepare(GstElement* src) {
  gboolean accepted = FALSE;
  g_signal_emit_by_name(src, "prepare", &accepted);
  return accepted != FALSE;
}

void abandon(GstElement* src) { g_signal_emit_by_name(src, "abandon"); }

/// Waits until a `veo-task` message tells this status. Returns false on an error or after 60 s.
bool wait_for(TestPipeline& pipeline, const std::string& status) {
  while (const auto message = pipeline.next(GST_MESSAGE_ELEMENT)) {
    if (GST_MESSAGE_TYPE(message.get()) != GST_MESSAGE_ELEMENT) return false;
    const auto* task = gst_message_get_structure(message.get());
    if (status == gst_structure_get_string(task, "status")) return true;
  }
  return false;
}

/// Waits until the cache holds this many clips. Returns false after 10 s.
bool are_kept(const Simulator& simulator, long count) {
  for (const auto end = std::chrono::steady_clock::now() + 10s;
       std::chrono::steady_clock::now() < end; std::this_thread::yield()) {
    std::error_code none;
    long found = 0;
    for (const auto& entry :
         std::filesystem::directory_iterator(simulator.cache() + "/shared", none)) {
      if (entry.path().extension() == ".mp4") ++found;
    }
    if (found == count) return true;
  }
  return false;
}

long requests(const Simulator& simulator, const std::string& listener, const std::string& method) {
  const auto log = simulator.log();
  return std::ranges::count_if(log, [&](const nlohmann::json& request) {
    return request.at("listener") == listener && request.at("method") == method;
  });
}

int charges(const Simulator& simulator) { return simulator.state().at("charges").get<int>(); }

TEST(Prepare, SubmitsAndFetchesAndIsPlayedFromTheCache) {
  const auto simulator = Simulator::start({"--generation-time", "200ms", "--frames", "24"});
  TestPipeline pipeline(line);
  pipeline.use(simulator, true);
  const auto src = pipeline.element("src");
  ASSERT_TRUE(prepare(src.get()));
  ASSERT_TRUE(wait_for(pipeline, "completed"));
  ASSERT_TRUE(are_kept(simulator, 1));
  gchar* id = nullptr;
  g_object_get(src.get(), "task-id", &id, nullptr);
  EXPECT_EQ(simulator.state().at("tasks").at(0).at("id"), id);
  g_free(id);
  EXPECT_THAT(pipeline.progress(), IsEmpty()) << "an open PROGRESS would hold up playback";
  EXPECT_THAT(pipeline.tasks(), Contains(HasSubstr("40")).Times(testing::Ge(2)));

  const auto before = requests(simulator, "files", "GET");
  pipeline.watch("sink");
  pipeline.start();
  ASSERT_TRUE(pipeline.finish());
  EXPECT_TRUE(pipeline.eos());
  EXPECT_FALSE(pipeline.bytes("sink").empty());
  EXPECT_EQ(requests(simulator, "files", "GET"), before);
  EXPECT_EQ(requests(simulator, "api", "POST"), 1);
  EXPECT_EQ(charges(simulator), 1);
}

class PreparedIsPaidOnce : public testing::TestWithParam<bool> {};

TEST_P(PreparedIsPaidOnce, ThroughStatesAndRepetition) {
  const auto simulator = Simulator::start({"--generation-time", "500ms", "--frames", "24"});
  TestPipeline pipeline(line);
  pipeline.use(simulator);
  const auto src = pipeline.element("src");
  g_object_set(src.get(), "reuse", GetParam() ? TRUE : FALSE, nullptr);
  ASSERT_TRUE(prepare(src.get()));
  gst_element_set_state(pipeline.pipeline(), GST_STATE_READY);
  ASSERT_TRUE(prepare(src.get()));
  gst_element_set_state(pipeline.pipeline(), GST_STATE_NULL);
  gst_element_set_state(pipeline.pipeline(), GST_STATE_READY);
  pipeline.watch("sink");
  pipeline.start();
  ASSERT_TRUE(prepare(src.get())) << "while it plays";
  ASSERT_TRUE(pipeline.finish());
  EXPECT_TRUE(pipeline.eos());
  EXPECT_FALSE(pipeline.bytes("sink").empty());
  EXPECT_EQ(requests(simulator, "api", "POST"), 1);
  EXPECT_EQ(charges(simulator), 1);
}
INSTANTIATE_TEST_SUITE_P(Reuse, PreparedIsPaidOnce, testing::Bool());

// A prepared task whose element is gone is not lost: an element with the same request joins it.
TEST(Prepare, ManyThatAreDroppedArePaidOnceEach) {
  constexpr int count = 20;
  const auto simulator =
      Simulator::start({"--generation-time", "300ms", "--frames", "2", "--credits", "100000"});
  const auto make = [&](int i) {
    auto pipeline = std::make_unique<TestPipeline>(line);
    pipeline->use(simulator, true);
    g_object_set(pipeline->element("src").get(), "prompt", ("scene " + std::to_string(i)).c_str(),
                 nullptr);
    return pipeline;
  };
  for (int i = 0; i < count; ++i) {
    const auto pipeline = make(i);
    ASSERT_TRUE(prepare(pipeline->element("src").get()));
    // Every second element waits until its task is accepted. The other elements go away in any
    // state of the submission.
    if (i % 2 == 0) {
      ASSERT_TRUE(wait_for(*pipeline, "pending"));
    }
  }
  for (int i = 0; i < count; ++i) {
    const auto pipeline = make(i);
    pipeline->start();
    ASSERT_TRUE(pipeline->finish());
    EXPECT_TRUE(pipeline->eos());
  }
  EXPECT_EQ(simulator.state().at("tasks").size(), count);
  EXPECT_EQ(charges(simulator), count);
}

TEST(Prepare, AWarningTellsWhatFailed) {
  const auto simulator =
      Simulator::start({"--generation-time", "0s", "--fault", "task:failed", "--frames", "2"});
  TestPipeline pipeline(line);
  pipeline.use(simulator);
  ASSERT_TRUE(prepare(pipeline.element("src").get()));
  const auto message = pipeline.next(GST_MESSAGE_WARNING);
  ASSERT_TRUE(message);
  ASSERT_EQ(GST_MESSAGE_TYPE(message.get()), GST_MESSAGE_WARNING);
  const GstStructure* details = nullptr;
  gst_message_parse_warning_details(message.get(), &details);
  ASSERT_NE(details, nullptr);
  EXPECT_STREQ(gst_structure_get_string(details, "code"), "task-failed");
  EXPECT_STREQ(gst_structure_get_string(details, "charged"), "refunded");
  EXPECT_FALSE(pipeline.failure());
}

TEST(Prepare, InvalidSettingsGiveAWarningAndNothingIsSent) {
  const auto simulator = Simulator::start({});
  TestPipeline pipeline(line);
  pipeline.use(simulator);
  const auto src = pipeline.element("src");
  g_object_set(src.get(), "task-id", "a\tb", nullptr);
  EXPECT_FALSE(prepare(src.get()));
  ASSERT_TRUE(pipeline.next(GST_MESSAGE_WARNING));
  EXPECT_THAT(pipeline.warnings(), Contains(HasSubstr("task-id")));

  g_object_set(src.get(), "task-id", nullptr, nullptr);
  gst_util_set_object_arg(G_OBJECT(src.get()), "generation-type", "reference");
  ASSERT_TRUE(prepare(src.get())) << "the task may have been paid for under other rules";
  ASSERT_TRUE(pipeline.next(GST_MESSAGE_WARNING));
  EXPECT_THAT(pipeline.warnings(), Contains(HasSubstr("reference-needs-images")));
  EXPECT_EQ(requests(simulator, "api", "POST"), 0);
  EXPECT_EQ(charges(simulator), 0);
}

TEST(Abandon, EndsTheWaitAtOnceAndTheTaskIsJoinedLater) {
  auto simulator = Simulator::start({"--generation-time", "2s", "--frames", "24"});
  TestPipeline pipeline(line);
  pipeline.use(simulator);
  const auto src = pipeline.element("src");
  pipeline.start();
  ASSERT_TRUE(wait_for(pipeline, "pending"));
  const auto begun = std::chrono::steady_clock::now();
  abandon(src.get());
  ASSERT_TRUE(pipeline.finish());
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 250ms);
  EXPECT_TRUE(pipeline.eos());
  EXPECT_EQ(pipeline.progress().back().type, "canceled");
  pipeline.stop();

  TestPipeline again(line);
  again.use(simulator);
  again.watch("sink");
  again.start();
  ASSERT_TRUE(again.finish());
  EXPECT_TRUE(again.eos());
  EXPECT_FALSE(again.bytes("sink").empty());
  EXPECT_EQ(charges(simulator), 1);
}

TEST(Abandon, LetsGoOfAPreparedTask) {
  const auto simulator = Simulator::start({"--generation-time", "300ms", "--frames", "24"});
  TestPipeline pipeline(line);
  pipeline.use(simulator);
  const auto src = pipeline.element("src");
  ASSERT_TRUE(prepare(src.get()));
  ASSERT_TRUE(wait_for(pipeline, "pending"));
  abandon(src.get());
  abandon(src.get());
  // The element can still be played: it joins its task like an element that was never prepared.
  pipeline.watch("sink");
  pipeline.start();
  ASSERT_TRUE(pipeline.finish());
  EXPECT_TRUE(pipeline.eos());
  EXPECT_FALSE(pipeline.bytes("sink").empty());
  EXPECT_EQ(charges(simulator), 1);
}

}  // namespace
}  // namespace veo::test
