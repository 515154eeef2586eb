// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/task.h"

#include <cstddef>

namespace veo {

std::string_view nick(TaskStatus status) {
  constexpr std::string_view nicks[] = {"none", "pending", "processing", "completed", "failed"};
  return nicks[static_cast<std::size_t>(status)];
}

std::optional<std::chrono::milliseconds> compute_generation_time(const TaskReport& report,
                                                                 std::chrono::seconds at_most) {
  if (!report.created_at || !report.completed_at) return std::nullopt;
  if (*report.completed_at < *report.created_at || at_most.count() < 0) return std::nullopt;
  // The difference of two signed numbers in order always fits into the unsigned type.
  const auto took = static_cast<std::uint64_t>(*report.completed_at) -
                    static_cast<std::uint64_t>(*report.created_at);
  if (took >= static_cast<std::uint64_t>(at_most.count())) return std::nullopt;
  return std::chrono::seconds(took);
}

}  // namespace veo
