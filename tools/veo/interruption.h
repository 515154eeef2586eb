// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Ctrl-C, SIGTERM and a terminal that goes away, as something that can be waited for. To be made
// before any other thread, which then inherits the blocked signals. SIGPIPE and SIGXFSZ are
// ignored: a pipe that is closed and a file that is too large are told by write().
#pragma once

#include <csignal>
#include <memory>
#include <thread>

#include "veo/system/wakeup.h"

namespace veo::cli {

class Interruption {
 public:
  /// Interrupts `wakeup` when it happens.
  explicit Interruption(std::shared_ptr<Wakeup> wakeup);
  ~Interruption();
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

  [[nodiscard]] bool happened() const;
  /// For poll(2): readable, for good, when it has happened.
  [[nodiscard]] int fd() const { return happened_; }
  /// What a child process is to begin with.
  [[nodiscard]] const sigset_t& mask_before() const { return before_; }

 private:
  const std::shared_ptr<Wakeup> wakeup_;
  sigset_t before_{};
  int signals_ = -1;
  int happened_ = -1;
  int ended_ = -1;
  std::thread thread_;
};

}  // namespace veo::cli
