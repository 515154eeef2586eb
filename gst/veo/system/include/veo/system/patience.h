// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <chrono>
#include <functional>

namespace veo {

/// How long a thread waits for another process, which may never answer.
struct Patience {
  std::chrono::milliseconds timeout{60'000};
  /// Says that nobody needs the answer any more. The waiting thread asks several times a second.
  /// Empty: somebody always needs the answer.
  std::function<bool()> is_cancelled;
};

}  // namespace veo
