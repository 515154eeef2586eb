// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The state of a task in the service's own words.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "veo/core/error.h"

namespace veo {

/// The status of a task. The nicks are those of the property `status`: `none`, `pending`,
/// `processing`, `completed`, `failed`.
enum class TaskStatus { none, pending, processing, completed, failed };
std::string_view nick(TaskStatus status);

/// The decoded answer to `GET /tasks/{taskId}`.
struct TaskReport {
  std::string id;
  TaskStatus status = TaskStatus::none;
  std::optional<double> progress;          ///< see compute_percent(); the service documents no unit
  std::optional<std::int64_t> created_at;  ///< Unix seconds
  std::optional<std::int64_t> completed_at;  ///< Unix seconds
  /// The URLs of the finished video. Empty unless completed; also empty if the service completed
  /// the task without a video.
  std::vector<std::string> urls;
  std::optional<std::string> resolution;        ///< `output.metadata.resolution`
  std::optional<std::string> upstream_task_id;  ///< an extension continues this id if it is set
  std::optional<Error> failure;  ///< set if failed: code task_failed, charged refunded
};

/// Computes the time of the generation by the service's own clock. Returns nullopt if the service
/// does not tell the times, if the end is before the start, or if the result is `at_most` or more:
/// the service may send any numbers.
std::optional<std::chrono::milliseconds> compute_generation_time(const TaskReport& report,
                                                                 std::chrono::seconds at_most);

}  // namespace veo
