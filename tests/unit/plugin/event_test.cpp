// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstveoevent.h"

#include <gmock/gmock.h>
#include <gst/gst.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace veo::plugin {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

using Event = std::unique_ptr<GstEvent, decltype(&gst_event_unref)>;

Event own(GstEvent* event) { return {event, gst_event_unref}; }

Event make(const TaskEvent& task) {
  return own(make_task_event(GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, task));
}

class TaskEvents : public testing::Test {
 protected:
  static void SetUpTestSuite() { gst_init(nullptr, nullptr); }
};

const FilmSteps three{{"a.B-1", 0, 192}, {"50%/ä b:1,c", 0, 384}, {"c", 2, 192}};

TEST_F(TaskEvents, AreReadAsTheyWereMade) {
  const TaskEvent full{.task_id = "c",
                       .upstream_id = "operations/7",
                       .status = TaskStatus::completed,
                       .step = 3,
                       .steps = three};
  const TaskEvent pending{.status = TaskStatus::pending, .step = 2};
  for (const auto& task : {full, pending}) {
    const auto event = make(task);
    ASSERT_TRUE(is_task_event(event.get()));
    const auto read = parse_task_event(event.get());
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(*read, task);
  }
}

TEST_F(TaskEvents, HaveTheStepsAsAListOfStructures) {
  const auto event = make({.task_id = "c", .status = TaskStatus::completed, .steps = three});
  const auto* const steps = gst_structure_get_value(gst_event_get_structure(event.get()), "steps");
  ASSERT_TRUE(steps != nullptr && GST_VALUE_HOLDS_LIST(steps));
  ASSERT_EQ(gst_value_list_get_size(steps), 3U);
  const auto* const last = gst_value_get_structure(gst_value_list_get_value(steps, 2));
  EXPECT_STREQ(gst_structure_get_string(last, "task-id"), "c");
  guint first = 0;
  guint64 frames = 0;
  EXPECT_TRUE(gst_structure_get(last, "first", G_TYPE_UINT, &first, "frames", G_TYPE_UINT64,
                                &frames, nullptr));
  EXPECT_EQ(first, 2U);
  EXPECT_EQ(frames, 192U);
}

TEST_F(TaskEvents, AreToldFromOthers) {
  const auto other =
      own(gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new_empty("veo-tasks")));
  EXPECT_FALSE(is_task_event(other.get()));
  const auto eos = own(gst_event_new_eos());
  EXPECT_FALSE(is_task_event(eos.get()));
}

/// Changes that a foreign element makes to a good event.
struct Bad {
  const char* name;
  std::function<void(GstStructure*)> spoil;
  const char* message;
};

void PrintTo(const Bad& bad, std::ostream* out) { *out << bad.name; }

void set_steps(GstStructure* event, std::initializer_list<const char*> texts) {
  GValue list = G_VALUE_INIT;
  gst_value_list_init(&list, 1);
  for (const auto* const text : texts) {
    GValue value = G_VALUE_INIT;
    g_value_init(&value, GST_TYPE_STRUCTURE);
    g_value_take_boxed(&value, gst_structure_from_string(text, nullptr));
    gst_value_list_append_and_take_value(&list, &value);
  }
  gst_structure_take_value(event, "steps", &list);
}

class BadTaskEvent : public testing::TestWithParam<Bad> {
 protected:
  static void SetUpTestSuite() { gst_init(nullptr, nullptr); }
};

TEST_P(BadTaskEvent, IsRefused) {
  auto* const structure = gst_structure_new("veo-task", "task-id", G_TYPE_STRING, "a", "status",
                                            G_TYPE_STRING, "completed", nullptr);
  {
    const auto good =
        own(gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM_OOB, gst_structure_copy(structure)));
    ASSERT_TRUE(parse_task_event(good.get()));
  }
  GetParam().spoil(structure);
  const auto event = own(gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM_OOB, structure));
  const auto read = parse_task_event(event.get());
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::invalid_request);
  EXPECT_THAT(read.error().message, HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Each, BadTaskEvent,
    testing::Values(
        Bad{"TaskIdIsNoString",
            [](auto* s) { gst_structure_set(s, "task-id", G_TYPE_INT, 7, nullptr); }, "task-id"},
        Bad{"TaskIdIsTooLong",
            [](auto* s) {
              gst_structure_set(s, "task-id", G_TYPE_STRING, std::string(513, 'a').c_str(),
                                nullptr);
            },
            "513 bytes"},
        Bad{"TaskIdHasALineBreak",
            [](auto* s) { gst_structure_set(s, "task-id", G_TYPE_STRING, "a\nb", nullptr); },
            "task-id"},
        Bad{"ACompletedTaskHasNone", [](auto* s) { gst_structure_remove_field(s, "task-id"); },
            "a completed task has one"},
        Bad{"UpstreamTaskIdIsNoString",
            [](auto* s) { gst_structure_set(s, "upstream-task-id", G_TYPE_UINT, 7U, nullptr); },
            "upstream-task-id"},
        Bad{"StatusIsUnknown",
            [](auto* s) { gst_structure_set(s, "status", G_TYPE_STRING, "done", nullptr); },
            "status"},
        Bad{"StatusIsMissing", [](auto* s) { gst_structure_remove_field(s, "status"); }, "status"},
        Bad{"StepIsNoUint", [](auto* s) { gst_structure_set(s, "step", G_TYPE_INT, 2, nullptr); },
            "step"},
        Bad{"StepIsZero", [](auto* s) { gst_structure_set(s, "step", G_TYPE_UINT, 0U, nullptr); },
            "step"},
        // The next element's step would be one more.
        Bad{"StepWouldOverflow",
            [](auto* s) { gst_structure_set(s, "step", G_TYPE_UINT, G_MAXUINT, nullptr); }, "step"},
        Bad{"StepsAreText",
            [](auto* s) { gst_structure_set(s, "steps", G_TYPE_STRING, "a:0:192", nullptr); },
            "no list"},
        Bad{"StepsAreOfText",
            [](auto* s) {
              GValue list = G_VALUE_INIT;
              gst_value_list_init(&list, 1);
              GValue text = G_VALUE_INIT;
              g_value_init(&text, G_TYPE_STRING);
              g_value_set_static_string(&text, "a:0:192");
              gst_value_list_append_and_take_value(&list, &text);
              gst_structure_take_value(s, "steps", &list);
            },
            "no structure"},
        Bad{"AStepIsEmpty", [](auto* s) { set_steps(s, {"step"}); }, "no task-id"},
        Bad{"AStepHasNoFrames",
            [](auto* s) { set_steps(s, {"step, task-id=(string)a, first=(uint)0"}); }, "`frames`"},
        Bad{"AStepHasTooManyFrames",
            [](auto* s) {
              set_steps(s, {"step, task-id=(string)a, first=(uint)0, "
                            "frames=(guint64)18446744073709551615"});
            },
            "`frames`"},
        Bad{"AStepBeginsAfterItself",
            [](auto* s) {
              set_steps(s, {"step, task-id=(string)a, first=(uint)0, frames=(guint64)192",
                            "step, task-id=(string)b, first=(uint)2, frames=(guint64)192"});
            },
            "`first`"},
        Bad{"AStepBeginsBelowZero",
            [](auto* s) {
              set_steps(s, {"step, task-id=(string)a, first=(int)-1, frames=(guint64)192"});
            },
            "`first`"}),
    [](const auto& one) { return std::string(one.param.name); });

TEST_F(TaskEvents, AreRefusedWithMoreStepsThanAnyFilm) {
  FilmSteps steps(10'001, FilmStep{.task_id = "a"});
  const auto event = make({.task_id = "a", .status = TaskStatus::completed, .steps = steps});
  const auto read = parse_task_event(event.get());
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message, HasSubstr("too many"));
  steps.pop_back();
  EXPECT_TRUE(parse_task_event(
      make({.task_id = "a", .status = TaskStatus::completed, .steps = steps}).get()));
}

TEST_F(TaskEvents, KnowWhichIsOlder) {
  const TaskEvent pending{.status = TaskStatus::pending, .step = 2};
  const TaskEvent completed{.task_id = "b", .status = TaskStatus::completed, .step = 2};
  auto planned = completed;
  planned.steps = {{"a", 0, 192}, {"b", 1, 192}};
  auto failed = completed;
  failed.status = TaskStatus::failed;
  EXPECT_TRUE(pending.is_older_than(completed));
  EXPECT_TRUE(completed.is_older_than(planned));
  EXPECT_TRUE(planned.is_older_than(failed));
  EXPECT_FALSE(failed.is_older_than(planned));
  EXPECT_FALSE(completed.is_older_than(completed));
  auto of_another_step = completed;
  of_another_step.step = 3;
  EXPECT_FALSE(of_another_step.is_older_than(planned));
}

}  // namespace
}  // namespace veo::plugin
