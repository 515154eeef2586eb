// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Submissions that are recorded as perhaps sent, and whose answer is still out. A process that
// exits normally waits for them, for a bounded time: each answer is the only record of a task that
// may be paid, and one that was let go before it left is to say so.
#pragma once

namespace veo {

class BegunSubmissions {
 public:
  /// Counts as one submission for as long as it lives. Any thread.
  class Guard {
   public:
    Guard();
    ~Guard();
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
  };

  /// From here on has_exit_begun() knows it, and exit waits. Any thread, any number of times.
  static void watch_exit();
  /// The process ends normally: nothing new may be sent. Any thread.
  static bool has_exit_begun();
};

}  // namespace veo
