// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstveoevent.h"

#include <string_view>
#include <utility>

#include "veo/core/task_id.h"

namespace veo::plugin {

namespace {

constexpr const char* name = "veo-task";
constexpr const char* ended_name = "veo-ended";
constexpr const char* step_name = "step";

// Both limits are far above any film, and small enough that a sum of their products cannot
// overflow.
constexpr guint most_steps = 10'000;
constexpr guint64 most_frames = 1U << 21U;  // for one file; media refuses a file with more

auto refuse(std::string_view field, std::string_view why) {
  return fail({.code = ErrorCode::invalid_request,
               .message = "The event veo-task has a bad " + std::string(field) + ": " +
                          std::string(why) + "."});
}

/// Reads a text. A missing field counts as an empty text.
Result<std::string> read_text(const GstStructure* structure, const char* field) {
  const auto* const value = gst_structure_get_value(structure, field);
  if (value == nullptr) return "";
  if (!G_VALUE_HOLDS_STRING(value)) return refuse(field, "it is no string");
  const auto* const text = g_value_get_string(value);
  return text != nullptr ? text : "";
}

/// Reads a task's id. The field may be missing or empty.
Result<std::string> read_task_id(const GstStructure* structure, const char* field) {
  auto id = read_text(structure, field);
  if (!id || id->empty()) return id;
  if (const auto flaw = find_task_id_flaw(*id)) return refuse(field, *flaw);
  return id;
}

Result<TaskStatus> read_status(const GstStructure* structure) {
  const auto text = read_text(structure, "status");
  if (!text) return fail(text.error());
  for (const auto one :
       {TaskStatus::pending, TaskStatus::processing, TaskStatus::completed, TaskStatus::failed}) {
    if (nick(one) == *text) return one;
  }
  return refuse("status", "it is none of pending, processing, completed, failed");
}

Result<guint> read_step(const GstStructure* structure) {
  if (gst_structure_has_field(structure, "step") == FALSE) return guint{1};
  guint step = 0;
  if (gst_structure_get_uint(structure, "step", &step) == FALSE || step < 1 || step > most_steps) {
    return refuse("step", "it is no uint from 1 to " + std::to_string(most_steps));
  }
  return step;
}

/// Reads one step of the film. `index` counts from 0.
Result<FilmStep> read_film_step(const GValue* value, std::size_t index) {
  const bool is_structure = value != nullptr && GST_VALUE_HOLDS_STRUCTURE(value);
  const auto* const structure = is_structure ? gst_value_get_structure(value) : nullptr;
  if (structure == nullptr) return refuse("steps", "one of them is no structure");
  auto id = read_task_id(structure, "task-id");
  if (!id) return fail(std::move(id.error()));
  if (id->empty()) return refuse("steps", "one of them has no task-id");
  guint first = 0;
  guint64 frames = 0;
  if (gst_structure_get_uint(structure, "first", &first) == FALSE || first > index) {
    return refuse("steps", "the `first` of one is no uint up to its own index");
  }
  if (gst_structure_get_uint64(structure, "frames", &frames) == FALSE || frames > most_frames) {
    return refuse("steps", "the `frames` of one are no uint64 up to 2097152");
  }
  return FilmStep{.task_id = std::move(*id), .first = first, .frames = frames};
}

Result<FilmSteps> read_film_steps(const GstStructure* structure) {
  const auto* const list = gst_structure_get_value(structure, "steps");
  if (list == nullptr) return FilmSteps();
  if (!GST_VALUE_HOLDS_LIST(list)) return refuse("steps", "it is no list");
  const auto size = gst_value_list_get_size(list);
  if (size > most_steps) return refuse("steps", "there are too many");
  FilmSteps steps;
  for (guint i = 0; i < size; ++i) {
    auto step = read_film_step(gst_value_list_get_value(list, i), i);
    if (!step) return fail(std::move(step.error()));
    steps.push_back(std::move(*step));
  }
  return steps;
}

void set_film_steps(GstStructure* structure, const FilmSteps& steps) {
  GValue list = G_VALUE_INIT;
  gst_value_list_init(&list, static_cast<guint>(steps.size()));
  for (const auto& step : steps) {
    GValue value = G_VALUE_INIT;
    g_value_init(&value, GST_TYPE_STRUCTURE);
    g_value_take_boxed(&value,
                       gst_structure_new(step_name,                                       //
                                         "task-id", G_TYPE_STRING, step.task_id.c_str(),  //
                                         "first", G_TYPE_UINT, static_cast<guint>(step.first),
                                         "frames", G_TYPE_UINT64, guint64{step.frames}, nullptr));
    gst_value_list_append_and_take_value(&list, &value);
  }
  gst_structure_take_value(structure, "steps", &list);
}

}  // namespace

bool TaskEvent::is_older_than(const TaskEvent& other) const {
  return step == other.step &&
         std::pair(status, steps.size()) < std::pair(other.status, other.steps.size());
}

GstEvent* make_task_event(GstEventType type, const TaskEvent& task) {
  auto* structure =
      gst_structure_new(name,                                            //
                        "task-id", G_TYPE_STRING, task.task_id.c_str(),  //
                        "status", G_TYPE_STRING, std::string(nick(task.status)).c_str(), nullptr);
  if (!task.upstream_id.empty()) {
    gst_structure_set(structure, "upstream-task-id", G_TYPE_STRING, task.upstream_id.c_str(),
                      nullptr);
  }
  if (task.step > 1) gst_structure_set(structure, "step", G_TYPE_UINT, task.step, nullptr);
  if (!task.steps.empty()) set_film_steps(structure, task.steps);
  return gst_event_new_custom(type, structure);
}

GstEvent* make_ended_event() {
  return gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new_empty(ended_name));
}

bool is_ended_event(GstEvent* event) { return gst_event_has_name(event, ended_name) != FALSE; }

bool is_task_event(GstEvent* event) { return gst_event_has_name(event, name) != FALSE; }

Result<TaskEvent> parse_task_event(GstEvent* event) {
  const auto* const structure = gst_event_get_structure(event);
  auto task_id = read_task_id(structure, "task-id");
  if (!task_id) return fail(std::move(task_id.error()));
  auto upstream_id = read_task_id(structure, "upstream-task-id");
  if (!upstream_id) return fail(std::move(upstream_id.error()));
  const auto status = read_status(structure);
  if (!status) return fail(status.error());
  const auto step = read_step(structure);
  if (!step) return fail(step.error());
  auto steps = read_film_steps(structure);
  if (!steps) return fail(std::move(steps.error()));
  if (*status == TaskStatus::completed && task_id->empty()) {
    return refuse("task-id", "a completed task has one");
  }
  return TaskEvent{.task_id = std::move(*task_id),
                   .upstream_id = std::move(*upstream_id),
                   .status = *status,
                   .step = *step,
                   .steps = std::move(*steps)};
}

GstEvent* make_tag_event(const ClipTags& tags) {
  auto* list = gst_tag_list_new_empty();
  const auto add = [list](const char* tag, const std::string& text) {
    if (!text.empty()) gst_tag_list_add(list, GST_TAG_MERGE_APPEND, tag, text.c_str(), nullptr);
  };
  // The tags are about the whole file, and not about one of its streams.
  gst_tag_list_set_scope(list, GST_TAG_SCOPE_GLOBAL);
  add(GST_TAG_TITLE, tags.title);
  add(GST_TAG_DESCRIPTION, tags.description);
  add(GST_TAG_APPLICATION_NAME, tags.application);
  for (const auto& id : tags.task_ids) add(GST_TAG_EXTENDED_COMMENT, make_task_comment(id));
  if (auto* const date = gst_date_time_new_from_iso8601_string(tags.date.c_str())) {
    gst_tag_list_add(list, GST_TAG_MERGE_APPEND, GST_TAG_DATE_TIME, date, nullptr);
    gst_date_time_unref(date);
  }
  return gst_event_new_tag(list);
}

ClipTags parse_tag_event(GstEvent* event) {
  ClipTags tags;
  GstTagList* list = nullptr;
  gst_event_parse_tag(event, &list);
  gchar* text = nullptr;
  if (gst_tag_list_get_string(list, GST_TAG_DESCRIPTION, &text) != FALSE) tags.description = text;
  g_free(text);
  GstDateTime* date = nullptr;
  if (gst_tag_list_get_date_time(list, GST_TAG_DATE_TIME, &date) != FALSE) {
    gchar* const written = gst_date_time_to_iso8601_string(date);
    if (written != nullptr) tags.date = written;
    g_free(written);
    gst_date_time_unref(date);
  }
  return tags;
}

}  // namespace veo::plugin
