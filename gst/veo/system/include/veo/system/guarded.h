// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A value that is reached only through its lock:
//
//   Guarded<std::vector<int>> list;
//   list.lock()->push_back(1);              // locked for this expression
//   auto locked = list.lock();              // locked for this scope
//   locked.wait(changed, [](const auto& value) { return !value.empty(); });
#pragma once

#include <condition_variable>
#include <mutex>
#include <utility>

namespace veo {

template <class T>
class Guarded {
  template <class Value>
  class Lock {
   public:
    Lock(Value& value, std::mutex& mutex) : value_(value), lock_(mutex) {}

    Value* operator->() const { return &value_; }
    Value& operator*() const { return value_; }

    /// Blocks, unlocked meanwhile, until `is_so(value)`.
    template <class Condition>
    void wait(std::condition_variable& changed, Condition is_so) {
      changed.wait(lock_, [&] { return is_so(std::as_const(value_)); });
    }
    /// The same for `time` at most; whether it is so then.
    template <class Time, class Condition>
    bool wait_for(std::condition_variable& changed, Time time, Condition is_so) {
      return changed.wait_for(lock_, time, [&] { return is_so(std::as_const(value_)); });
    }

   private:
    Value& value_;
    std::unique_lock<std::mutex> lock_;
  };

 public:
  Guarded() : value_() {}
  explicit Guarded(T value) : value_(std::move(value)) {}
  template <class... Arguments>
  explicit Guarded(std::in_place_t /*unused*/, Arguments&&... arguments)
      : value_(std::forward<Arguments>(arguments)...) {}

  [[nodiscard]] Lock<T> lock() { return {value_, mutex_}; }
  [[nodiscard]] Lock<const T> lock() const { return {value_, mutex_}; }

 private:
  T value_;
  mutable std::mutex mutex_;
};

}  // namespace veo
