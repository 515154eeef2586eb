// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The event `veo-task`: our elements tell each other along the stream which task its bytes are of.
// The event is sticky, so that an element that is linked late has it too. A sticky event waits
// behind the bytes before it, so the same event also goes ahead of them, out of band.
//
//   veosrc ──► veoextend ──► veoextend ──► …
//
//   veosrc      task-id, status=completed                     ahead of its first buffer
//   veoextend   status=pending, step                          ahead of its first buffer
//               task-id, status=completed, step               once its own task is completed
//               task-id, status=completed, step, steps        once it knows what its file contains
//               task-id, status=failed, step                  once it knows that it will fail: the
//                                                             stream has the steps before, and ends
//                                                             with a DRAIN query
//
// Its fields:
//
//   task-id           string   of the task; missing or empty: not known yet
//   upstream-task-id  string   another id that the service has for the task, if it has one
//   status            string   pending, processing, completed or failed
//   step              uint     from 1: the task's place in the film; missing: 1
//   steps             list     of one structure `step` for each task of the film, the first first:
//                                task-id  string
//                                first    uint     index (from 0) of the step with which the
//                                                  task's file begins: at most the step's own
//                                frames   uint64   of the task's file; 0: not known
//
// Threads of one element send these events without a common order. is_older_than() says which of
// two events knows less, whichever arrives first.
#pragma once

#include <gst/gst.h>

#include <string>

#include "veo/core/result.h"
#include "veo/core/task.h"
#include "veo/source/film.h"

namespace veo::plugin {

struct TaskEvent {
  std::string task_id;      ///< empty: not known yet
  std::string upstream_id;  ///< another id that the service has for the task; empty: none
  TaskStatus status = TaskStatus::none;
  guint step = 1;   ///< of the film
  FilmSteps steps;  ///< empty: not known (yet)
  bool operator==(const TaskEvent&) const = default;
  /// Of the same step, and knows less of it.
  [[nodiscard]] bool is_older_than(const TaskEvent& other) const;
};

GstEvent* make_task_event(GstEventType type, const TaskEvent& task);

/// Whether the event has the name `veo-task`.
bool is_task_event(GstEvent* event);
/// Reads such an event, which any element may have made. Fails with invalid_request where a field
/// has another type, or a value that no task or film has; nothing of the event counts then.
Result<TaskEvent> parse_task_event(GstEvent* event);

/// A tag event with the task's id and, if there is one, a description.
GstEvent* make_task_tags(const std::string& task_id, const std::string& description);

}  // namespace veo::plugin
