// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The normal exit of the process: what it waits for, for a bounded time, and in which order.
#pragma once

#include <chrono>
#include <memory>

#include "veo/system/guarded.h"

namespace veo {

/// What a normal exit of the process does, in this order.
enum class ExitStep {
  submissions,  ///< waits for the answers to submissions that have been sent
  last_work,    ///< waits for files on their way to the disk
  threads,      ///< parks the threads, because an exit destroys what other libraries' code needs
};

/// From now on a normal exit of the process calls `work` in its step. Calls with a known function
/// have no effect. A forked child calls nothing at its exit. Any thread.
void at_exit(ExitStep step, void (*work)());

/// Whether a normal exit of the process has begun. From then on nothing new is sent. A thread that
/// takes an ExitCount::Hold and then gets false is waited for. Any thread.
[[nodiscard]] bool has_exit_begun();

/// Counts the pieces of one kind of work that are under way. Any thread. An ExitCount must live as
/// long as the process, because threads may use it until the very end.
class ExitCount {
 public:
  /// Counts as one piece of work for as long as it lives.
  class Hold {
   public:
    explicit Hold(ExitCount& count);
    ~Hold();
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

   private:
    ExitCount& count_;
  };

  /// A function of at_exit() waits for the end of all work, for `time` at most. False: some work is
  /// under way.
  bool wait_for_end(std::chrono::milliseconds time);

 private:
  Guarded<unsigned> holders_;
  ConditionVariable changed_;
};

/// Holds the exit for work that is worth a short wait: a complete clip on its way into the cache, a
/// file that is to be removed. An exit waits up to 2 s while somebody holds the result. Any thread;
/// returns at once.
[[nodiscard]] std::shared_ptr<const void> hold_exit();

}  // namespace veo
