// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The one place where a caller's thread blocks. A waiter checks everything that it depends on,
// sleeps until somebody notifies, and checks again. No wakeup is lost, and the waiter holds no lock
// of Wakeup while it checks:
//
//   const auto answer = wakeup.wait_for([&] { return take_answer(); });
//   if (!answer) return;  // interrupted
//
// Only this class has such a loop, because the order matters: a loop that checks before it takes
// its ticket loses wakeups.
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

/// The result of work for which a thread waited; nullopt: the wait was interrupted.
template <class T>
using Waited = std::optional<Result<T>>;

class Wakeup {
 public:
  using Time = std::chrono::steady_clock::time_point;

  Wakeup() = default;
  /// Each notify() calls `on_notify` on the notifier's thread, for a waiter without a thread of its
  /// own. `on_notify` must not block.
  explicit Wakeup(std::function<void()> on_notify) : on_notify_(std::move(on_notify)) {}

  /// Blocks until `look()` returns a value (or true), and returns that. Returns an empty value
  /// while interrupted. The caller's thread calls `look` at once, even while interrupted, and again
  /// after each notify().
  template <class Look>
  [[nodiscard]] std::invoke_result_t<Look&> wait_for(Look look) {
    for (;;) {
      const auto before = ticket();
      if (auto found = look()) return found;
      if (!wait(before)) return {};
    }
  }
  /// Does the same, and also calls `look` again at the moment that `next_look()` returns after each
  /// call.
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
  /// Blocks until that moment, and returns true. Returns false at once while interrupted.
  [[nodiscard]] bool pause(Time until);
  void notify();
  /// Ends all waits, those under way and later ones, until resume().
  void interrupt();
  void resume();
  [[nodiscard]] bool is_interrupted() const;

 private:
  /// Counts the notifications.
  using Ticket = std::uint64_t;

  [[nodiscard]] Ticket ticket() const;
  /// Blocks until a notify() that comes after the ticket was taken, and returns true. Returns false
  /// at once while interrupted.
  [[nodiscard]] bool wait(Ticket ticket);
  /// Does the same, but also returns true at that moment.
  [[nodiscard]] bool wait(Ticket ticket, Time until);

  const std::function<void()> on_notify_;
  mutable Mutex mutex_;
  ConditionVariable changed_;
  Ticket now_ VEO_GUARDED_BY(mutex_) = 0;
  bool interrupted_ VEO_GUARDED_BY(mutex_) = false;
};

/// The waiters that one object notifies of its changes. Subscribers holds weak references, so a
/// waiter can be destroyed without a word to Subscribers.
class Subscribers {
 public:
  void add(std::weak_ptr<Wakeup> wakeup);
  void notify();
  /// Counts the waiters, with some that are gone: no more of these than of the others (or than 16).
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
