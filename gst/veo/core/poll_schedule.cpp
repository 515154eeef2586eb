// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/poll_schedule.h"

#include <algorithm>

namespace veo {

using namespace std::chrono_literals;

std::chrono::milliseconds poll_delay(std::chrono::milliseconds elapsed,
                                     std::chrono::milliseconds fixed) {
  if (fixed > 0ms) return fixed;
  return std::clamp<std::chrono::milliseconds>(elapsed / 10, 1s, 10s);
}

}  // namespace veo
