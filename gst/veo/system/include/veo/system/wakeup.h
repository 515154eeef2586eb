// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The one place where a caller's thread blocks. A waiter looks at everything that it depends on,
// sleeps until somebody notifies, and looks again. No wakeup is lost, and no lock of Wakeup is held
// while the waiter looks:
//
//   const auto answer = wakeup.wait_for([&] { return take_answer(); });
//   if (!answer) return;  // interrupted
//
// The loop is written here alone: a loop that looks before it takes its ticket loses wakeups.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "veo/core/result.h"
#include "veo/system/guarded.h"

namespace veo {

/// What came of work that a thread waited for; nullopt: the wait was interrupted.
template <class T>
using Waited = std::optional<Result<T>>;

class Wakeup {
 public:
  using Time = std::chrono::steady_clock::time_point;

  Wakeup() = default;
  /// Each notify() calls `on_notify` on the notifier's thread, for a waiter without a thread of its
  /// own. `on_notify` must not block.
  explicit Wakeup(std::function<void()> on_notify) : on_notify_(std::move(on_notify)) {}

  /// Blocks until `look()` returns something (true, a value), and returns that. Returns an empty
  /// value while interrupted. The caller's thread calls `look` at once, also while interrupted, and
  /// again after each notify().
  template <class Look>
  [[nodiscard]] std::invoke_result_t<Look&> wait_for(Look look) {
    for (;;) {
      const auto before = ticket();
      if (auto found = look()) return found;
      if (!wait(before)) return {};
    }
  }
  /// The same, but also looks again at the moment that `next_look()` names after each look.
  template <class Look, class NextLook>
  [[nodiscard]] std::invoke_result_t<Look&> wait_for(Look look, NextLook next_look) {
    for (;;) {
      const auto before = ticket();
      if (auto found = look()) return found;
      if (!wait(before, next_look())) return {};
    }
  }
  /// Blocks until interrupt(); returns at once while interrupted.
  void wait_for_interruption();
  /// Blocks until that moment (true), or while interrupted (false, at once).
  [[nodiscard]] bool pause(Time until);
  void notify();
  /// Ends each wait, those under way and later ones, until resume().
  void interrupt();
  void resume();
  [[nodiscard]] bool is_interrupted() const;

 private:
  /// Counts the notifications.
  using Ticket = std::uint64_t;

  [[nodiscard]] Ticket ticket() const;
  /// Blocks until a notify() that came after the ticket was taken (true), or while interrupted
  /// (false, at once).
  [[nodiscard]] bool wait(Ticket ticket);
  /// The same, but also ends at that moment (true).
  [[nodiscard]] bool wait(Ticket ticket, Time until);

  const std::function<void()> on_notify_;
  mutable Mutex mutex_;
  ConditionVariable changed_;
  Ticket now_ VEO_GUARDED_BY(mutex_) = 0;
  bool interrupted_ VEO_GUARDED_BY(mutex_) = false;
};

/// The waiters that one object notifies of its changes. Subscribers holds them weakly: a waiter
/// that goes need not say so.
class Subscribers {
 public:
  void add(std::weak_ptr<Wakeup> wakeup);
  void notify();
  /// Counts also waiters that are gone, at most as many as there are others (or 16).
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
