// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A value that is reached only through its lock:
//
//   Guarded<std::vector<int>> list;
//   list.lock()->push_back(1);              // locked for this expression
//   auto locked = list.lock();              // locked for this scope
//   locked.wait(changed, [](const auto& value) { return !value.empty(); });
//
// A reference of the value must not outlive its lock. clang refuses the ways out that it can see:
// a reference of `*list.lock()` that outlives the expression, and a function that returns `*locked`
// by reference. No compiler sees `auto& first = list.lock()->front()`, nor a loop over
// `list.lock()->items`: name the lock there.
#pragma once

#include <chrono>
#include <memory>
#include <utility>

#include "veo/system/thread_safety.h"

namespace veo {

template <class T>
class Guarded {
  template <class Value, class Owner>
  class Lock {
   public:
    explicit Lock(Owner& owner) : owner_(owner), lock_(owner.mutex_) {}

    Value* operator->() const VEO_LIFETIME_BOUND { return &value(); }
    Value& operator*() const VEO_LIFETIME_BOUND { return value(); }

    /// Releases the lock and blocks until `is_so(value)`, which is called with the lock held.
    template <class Predicate>
    void wait(ConditionVariable& changed, Predicate is_so) {
      while (!is_so(std::as_const(value()))) changed.wait(lock_);
    }
    /// Does the same, for `time` at most. Returns the last result of `is_so`.
    template <class Predicate>
    bool wait_for(ConditionVariable& changed, std::chrono::steady_clock::duration time,
                  Predicate is_so) {
      const auto until = std::chrono::steady_clock::now() + time;
      while (!is_so(std::as_const(value()))) {
        if (!changed.wait_until(lock_, until)) return is_so(std::as_const(value()));
      }
      return true;
    }

   private:
    [[nodiscard]] Value& value() const {
      // `lock_` holds the mutex for as long as this object lives. clang 19 refuses to return the
      // member itself, because it sees no lock behind the end of this function.
      owner_.mutex_.assert_held();
      auto* const value = std::addressof(owner_.value_);
      return *value;
    }

    Owner& owner_;
    MutexLock lock_;
  };

 public:
  Guarded() : value_() {}
  explicit Guarded(T value) : value_(std::move(value)) {}
  template <class... Arguments>
  explicit Guarded(std::in_place_t /*unused*/, Arguments&&... arguments)
      : value_(std::forward<Arguments>(arguments)...) {}

  [[nodiscard]] auto lock() { return Lock<T, Guarded>(*this); }
  [[nodiscard]] auto lock() const { return Lock<const T, const Guarded>(*this); }

 private:
  mutable Mutex mutex_;
  T value_ VEO_GUARDED_BY(mutex_);
};

}  // namespace veo
