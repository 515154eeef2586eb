// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The one place where a caller's thread blocks. A waiter takes a ticket, looks at everything that
// it depends on, and waits only if there was no notification since it took the ticket. So no wakeup
// is lost, and the waiter looks without holding this lock.
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
  /// Each notify() calls `on_notify` on its own thread. This is for an owner that has no thread to
  /// wait with. `on_notify` must not block.
  explicit Wakeup(std::function<void()> on_notify) : on_notify_(std::move(on_notify)) {}

  [[nodiscard]] Ticket ticket() const;
  /// Blocks until notify() was called after the ticket was taken (true), or while interrupted
  /// (false, at once).
  [[nodiscard]] bool wait(Ticket ticket);
  /// The same, but the wait also ends at the moment `until` (true).
  [[nodiscard]] bool wait(Ticket ticket, std::chrono::steady_clock::time_point until);
  /// Blocks until the moment `until` (true), or while interrupted (false, at once).
  [[nodiscard]] bool pause(std::chrono::steady_clock::time_point until);
  void notify();
  /// Ends the current wait and each later wait, until resume().
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

/// The Wakeups of all who wait for changes of one object. The object holds them weakly, so that a
/// subscriber needs no way to unsubscribe.
class Subscribers {
 public:
  void add(std::weak_ptr<Wakeup> wakeup);
  void notify();
  /// Also counts subscribers that are gone and not yet removed: never more than the living ones, or
  /// a few.
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
