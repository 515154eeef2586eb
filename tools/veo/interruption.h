// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Turns SIGINT (Ctrl-C), SIGTERM and SIGHUP (the terminal has gone) into an event for which a
// thread can wait. Make the Interruption before any other thread, so that the other threads inherit
// the blocked signals. SIGPIPE and SIGXFSZ are ignored, because write() reports a closed pipe and a
// file that is too large.
//
//   first signal    wakes each thread that waits, and the command ends in order
//   second signal   ends the process and its player at once, because the command may still wait for
//                   something that does not come, such as the lock of the ledger
//
// The thread that takes the signals lives as long as the process, because at its exit the process
// may still wait for the answer to a submission.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <memory>

#include "veo/system/wakeup.h"

namespace veo::cli {

class Interruption {
 public:
  /// Make only one Interruption in a process. The first signal interrupts `wakeup`.
  explicit Interruption(std::shared_ptr<Wakeup> wakeup);
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

  [[nodiscard]] bool happened() const;
  /// A descriptor for poll(2). It is readable from the first signal on.
  [[nodiscard]] int fd() const;
  /// The signal mask before the constructor. A child process must begin with this mask.
  [[nodiscard]] const sigset_t& mask_before() const;
  /// Sets the child process that a second signal ends too. 0: none. Set 0 before you reap the
  /// child, because another process may get its number then.
  void set_child(pid_t child);

 private:
  struct State;
  State* const state_;  // never destroyed, because the thread uses it until the end
};

}  // namespace veo::cli
