// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The event `veo-task`: an element tells the next element which task the bytes of the stream belong
// to. The event is sticky, so that an element that is linked late gets it too. A sticky event waits
// behind the bytes before it, so veoextend also sends the same event out of band, ahead of them.
//
//   veosrc ──► veoextend ──► veoextend ──► …
//
//   veosrc      task-id, status=completed                     ahead of its first buffer
//   veoextend   status=pending, step                          ahead of its first buffer
//               task-id, status=completed, step               once its own task is completed
//               task-id, status=completed, step, steps        once it knows what its file contains
//               task-id, status=failed, step                  once it knows that it will fail: the
//                                                             stream has the earlier steps, and
//                                                             ends with a DRAIN query
//
// Its fields:
//
//   task-id           string   the task's id; missing or empty: not known yet
//   upstream-task-id  string   another id that the service has for the task, if it has one
//   status            string   pending, processing, completed or failed
//   step              uint     from 1: the task's place in the film; missing: 1
//   steps             list     a structure `step` for each task of the film, in the film's order:
//                                task-id  string
//                                first    uint     index (from 0) of the step with which the
//                                                  task's file begins: at most the step's own
//                                frames   uint64   frames of the task's file; 0: not known
//
// Several threads of one element send these events, in no common order. So the receiver does not
// rely on the order of arrival: is_older_than() says which of two events contains less.
//
// The event `veo-ended` has no fields. It goes ahead of EOS if the application ended the stream. So
// veoextend can tell that end from a failure, and ends its own film in the same way.
#pragma once

#include <gst/gst.h>

#include <memory>
#include <string>

#include "veo/core/clip_tags.h"
#include "veo/core/result.h"
#include "veo/core/task.h"
#include "veo/source/film.h"

namespace veo::plugin {

struct TaskEvent {
  std::string task_id;      ///< empty: not known yet
  std::string upstream_id;  ///< another id that the service has for the task; empty: none
  TaskStatus status = TaskStatus::none;
  guint step = 1;   ///< the task's place in the film, from 1
  FilmSteps steps;  ///< empty: not known
  bool operator==(const TaskEvent&) const = default;
  /// Whether both events are about the same step, and this event contains less than `other`.
  [[nodiscard]] bool is_older_than(const TaskEvent& other) const;
};

GstEvent* make_task_event(GstEventType type, const TaskEvent& task);

/// Whether the event has the name `veo-task`.
bool is_task_event(GstEvent* event);
/// Reads an event of this name, which any element may have made. Fails with invalid_request if a
/// field has a wrong type, or a value that no task or film can have. The caller then ignores the
/// whole event.
Result<TaskEvent> parse_task_event(GstEvent* event);

GstEvent* make_ended_event();
/// Whether the event has the name `veo-ended`.
bool is_ended_event(GstEvent* event);

/// Makes a tag event. Each task has an `extended-comment` of its own.
GstEvent* make_tag_event(const ClipTags& tags);
/// Reads the date and the description of a tag event, which any element may have made. The other
/// tags stay empty.
ClipTags parse_tag_event(GstEvent* event);

}  // namespace veo::plugin
