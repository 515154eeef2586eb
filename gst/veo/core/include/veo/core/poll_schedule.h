// SPDX-License-Identifier: LGPL-2.1-or-later
//
// When to ask about a task again.
#pragma once

#include <chrono>

namespace veo {

/// The wait before the next query of a task that has been running for `elapsed`. With a fixed
/// interval: that one. Adaptive (`fixed` is 0): a tenth of the elapsed time, within 1 s and 10 s,
/// so that the delay of detection stays in proportion to what was waited anyway.
std::chrono::milliseconds poll_delay(std::chrono::milliseconds elapsed,
                                     std::chrono::milliseconds fixed);

}  // namespace veo
