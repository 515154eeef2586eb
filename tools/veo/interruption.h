// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Ctrl-C, SIGTERM and a terminal that goes away, as something that can be waited for. To be made
// before any other thread, which then inherits the blocked signals. SIGPIPE and SIGXFSZ are
// ignored: a pipe that is closed and a file that is too large are told by write().
//
//   first signal    whoever waits is told, and ends the command well
//   second signal   the process ends at once, and its player with it: whoever was told may wait for
//                   what does not come, such as a ledger that is locked
//
// The thread that takes the signals lives as long as the process: also while that waits, at its
// exit, for the answer to a submission.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <memory>

#include "veo/system/wakeup.h"

namespace veo::cli {

class Interruption {
 public:
  /// Once in a process. Interrupts `wakeup` when it happens.
  explicit Interruption(std::shared_ptr<Wakeup> wakeup);
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

  [[nodiscard]] bool happened() const;
  /// For poll(2): readable, for good, when it has happened.
  [[nodiscard]] int fd() const;
  /// What a child process is to begin with.
  [[nodiscard]] const sigset_t& mask_before() const;
  /// The child that is not to be left behind; 0: none. To be told before it is waited for.
  void set_child(pid_t child);

 private:
  struct State;
  State* const state_;  // never destroyed: the thread's
};

}  // namespace veo::cli
