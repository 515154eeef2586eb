// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/task.h"

#include <cstddef>

namespace veo {

std::string_view nick(TaskStatus status) {
  constexpr std::string_view nicks[] = {"none", "pending", "processing", "completed", "failed"};
  return nicks[static_cast<std::size_t>(status)];
}

}  // namespace veo
