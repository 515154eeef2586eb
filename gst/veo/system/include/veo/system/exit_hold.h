// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Work that a normal exit of the process waits for, for a bounded time.
#pragma once

#include <chrono>
#include <memory>

#include "veo/system/guarded.h"

namespace veo {

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

  /// From now on a normal exit of the process calls `on_exit`. Only the first call counts.
  void watch_exit(void (*on_exit)());
  /// Whether `on_exit` has called begin_exit().
  [[nodiscard]] bool has_exit_begun() const;

  /// `on_exit` calls begin_exit(): the process ends.
  void begin_exit();
  /// `on_exit` then waits for the end of all work, for `time` at most. False: some work is under
  /// way.
  bool wait_for_end(std::chrono::milliseconds time);

 private:
  struct State {
    unsigned holders = 0;
    bool is_exit_watched = false;
    bool has_exit_begun = false;
  };
  Guarded<State> state_;
  ConditionVariable changed_;
};

/// Holds the exit for work that is worth a short wait: a complete clip on its way into the cache, a
/// file that is to be removed. An exit waits up to 2 s while somebody holds the result. Any thread;
/// returns at once.
[[nodiscard]] std::shared_ptr<const void> hold_exit();

}  // namespace veo
