// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What our elements tell each other along the stream: the event `veo-task`, of which task its bytes
// are. It is sticky, so that whoever is linked late has it; and since a sticky event waits behind
// the bytes before it, it goes ahead of them out of band as well.
//
//   veosrc ──► veoextend ──► veoextend ──► …
//
//   veosrc      task-id, status=completed                     ahead of its first buffer
//   veoextend   status=pending, step                          ahead of its first buffer
//               task-id, status=completed, step               once its own task is completed
//               task-id, status=completed, step, steps        once it knows what its file holds
//               task-id, status=failed, step                  once it will not: the stream holds
//                                                             the steps before, and ends with a
//                                                             DRAIN query
//
// An element tells from several threads. What it said in this order cannot be unsaid by what
// arrives late, neither with downstream nor in what it says next: is_older_than().
#pragma once

#include <gst/gst.h>

#include <optional>
#include <string>

#include "veo/core/task.h"
#include "veo/source/film.h"

namespace veo::plugin {

struct TaskEvent {
  std::string task_id;      ///< empty: not known yet
  std::string upstream_id;  ///< what the service calls it, if that is another id
  TaskStatus status = TaskStatus::none;
  guint step = 1;   ///< of the film
  FilmSteps steps;  ///< empty: not known (yet)
  bool operator==(const TaskEvent&) const = default;
  /// Of the same step, and knows less of it.
  [[nodiscard]] bool is_older_than(const TaskEvent& other) const;
};

GstEvent* make_task_event(GstEventType type, const TaskEvent& task);
/// nullopt: it is another event.
std::optional<TaskEvent> parse_task_event(GstEvent* event);

/// A tag event with the task's id and, if there is one, a description.
GstEvent* make_task_tags(const std::string& task_id, const std::string& description);

}  // namespace veo::plugin
