// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstveoevent.h"

#include <utility>

namespace veo::plugin {

namespace {

constexpr const char* name = "veo-task";

std::string text_of(const GstStructure* structure, const char* field) {
  const char* const text = gst_structure_get_string(structure, field);
  return text != nullptr ? text : "";
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
  if (!task.steps.empty()) {
    gst_structure_set(structure, "steps", G_TYPE_STRING, to_text(task.steps).c_str(), nullptr);
  }
  return gst_event_new_custom(type, structure);
}

std::optional<TaskEvent> parse_task_event(GstEvent* event) {
  if (!gst_event_has_name(event, name)) return std::nullopt;
  const auto* const structure = gst_event_get_structure(event);
  TaskEvent task{.task_id = text_of(structure, "task-id"),
                 .upstream_id = text_of(structure, "upstream-task-id"),
                 .steps = parse_film_steps(text_of(structure, "steps"))};
  gst_structure_get_uint(structure, "step", &task.step);
  const auto status = text_of(structure, "status");
  for (const auto one :
       {TaskStatus::pending, TaskStatus::processing, TaskStatus::completed, TaskStatus::failed}) {
    if (nick(one) == status) task.status = one;
  }
  return task;
}

GstEvent* make_task_tags(const std::string& task_id, const std::string& description) {
  auto* tags =
      gst_tag_list_new(GST_TAG_EXTENDED_COMMENT, ("veo-task-id=" + task_id).c_str(), nullptr);
  if (!description.empty()) {
    gst_tag_list_add(tags, GST_TAG_MERGE_APPEND, GST_TAG_DESCRIPTION, description.c_str(), nullptr);
  }
  return gst_event_new_tag(tags);
}

}  // namespace veo::plugin
