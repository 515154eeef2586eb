// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A task as the service reports it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "veo/core/error.h"

namespace veo {

/// The `status` property's nicks: none·pending·processing·completed·failed.
enum class TaskStatus { none, pending, processing, completed, failed };
std::string_view nick(TaskStatus status);

/// The answer to `GET /tasks/{taskId}`.
struct TaskReport {
  std::string id;
  TaskStatus status = TaskStatus::none;
  std::optional<double> progress;            ///< a number where the service gave one; unit unknown
  std::optional<std::int64_t> created_at;    ///< Unix seconds
  std::optional<std::int64_t> completed_at;  ///< Unix seconds
  std::vector<std::string> urls;             ///< of the finished video; non-empty iff completed
  std::optional<std::string> resolution;     ///< from output.metadata
  std::optional<std::string> upstream_task_id;  ///< preferred over `id` for an extension
  std::optional<Error> failure;  ///< set iff failed: code task_failed, charged refunded
};

/// How long the service took, by its own clock; nullopt: it does not say, or says what cannot be:
/// the times are its word, and may be any numbers.
std::optional<std::chrono::milliseconds> compute_generation_time(const TaskReport& report,
                                                                 std::chrono::seconds at_most);

}  // namespace veo
