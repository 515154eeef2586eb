// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The one place where a caller's thread blocks. A waiter takes a ticket, looks at everything it
// depends on, and waits only if nothing was notified since: no wakeup is lost, and nothing has to
// be looked at under this lock.
//
//   for (;;) {
//     const auto ticket = wakeup.ticket();
//     if (there is something to do) return it;
//     if (!wakeup.wait(ticket)) return cancelled;
//   }
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "veo/system/guarded.h"

namespace veo {

class Wakeup {
 public:
  using Ticket = std::uint64_t;

  Wakeup() = default;
  /// `on_notify` is called by each notify(), on its thread: for who has no thread that waits. It
  /// must not block.
  explicit Wakeup(std::function<void()> on_notify) : on_notify_(std::move(on_notify)) {}

  [[nodiscard]] Ticket ticket() const;
  /// Blocks until notify() was called after the ticket was taken (true), or while interrupted
  /// (false, at once).
  [[nodiscard]] bool wait(Ticket ticket);
  /// The same, but also ends at that moment (true).
  [[nodiscard]] bool wait(Ticket ticket, std::chrono::steady_clock::time_point until);
  /// Blocks until that moment (true), or while interrupted (false, at once).
  [[nodiscard]] bool pause(std::chrono::steady_clock::time_point until);
  void notify();
  /// Ends the wait under way and each later one, until resume().
  void interrupt();
  void resume();
  [[nodiscard]] bool is_interrupted() const;

 private:
  const std::function<void()> on_notify_;
  mutable Mutex mutex_;
  ConditionVariable changed_;
  Ticket now_ VEO_GUARDED_BY(mutex_) = 0;
  bool interrupted_ VEO_GUARDED_BY(mutex_) = false;
};

/// Whoever may be waiting for a change of something. Holds its subscribers weakly: they go as they
/// like.
class Subscribers {
 public:
  void add(std::weak_ptr<Wakeup> wakeup);
  void notify();
  /// Those that are gone count until they are noticed: at most as many as the others, or a few.
  [[nodiscard]] std::size_t size() const;

 private:
  static constexpr std::size_t fewest_to_prune = 16;

  struct State {
    std::vector<std::weak_ptr<Wakeup>> list;
    std::size_t prune_at = fewest_to_prune;
  };
  Guarded<State> state_;
};

}  // namespace veo
