// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Locks that the compiler checks. With clang, `-Wthread-safety` refuses a read or a write of a
// member that is VEO_GUARDED_BY a Mutex, unless the function holds that Mutex
// (https://clang.llvm.org/docs/ThreadSafetyAnalysis.html). g++ sees no attributes.
//
//   class Counter {
//    public:
//     void add() VEO_EXCLUDES(mutex_) {
//       const MutexLock lock(mutex_);
//       ++count_;
//       changed_.notify_all();
//     }
//     void wait_for(int count) VEO_EXCLUDES(mutex_) {
//       MutexLock lock(mutex_);
//       while (count_ < count) changed_.wait(lock);
//     }
//    private:
//     Mutex mutex_;
//     ConditionVariable changed_;
//     int count_ VEO_GUARDED_BY(mutex_) = 0;
//   };
//
// The analysis does not look into a lambda with the locks of its caller. So a wait is a loop, as
// above, and takes no predicate.
//
// Where one lock guards all of a value, Guarded (guarded.h) is shorter and stricter.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define VEO_THREAD_ATTRIBUTE(attribute) __attribute__((attribute))
#else
#define VEO_THREAD_ATTRIBUTE(attribute)
#endif

/// A class whose objects can be held, and what the compiler calls them.
#define VEO_CAPABILITY(name) VEO_THREAD_ATTRIBUTE(capability(name))
/// A class whose constructor acquires a capability and whose destructor releases the capability.
#define VEO_SCOPED_CAPABILITY VEO_THREAD_ATTRIBUTE(scoped_lockable)
/// A member that is read and written only while the capability is held.
#define VEO_GUARDED_BY(capability) VEO_THREAD_ATTRIBUTE(guarded_by(capability))
/// A pointer whose target is read and written only while the capability is held.
#define VEO_PT_GUARDED_BY(capability) VEO_THREAD_ATTRIBUTE(pt_guarded_by(capability))
/// A function whose caller holds the capabilities.
#define VEO_REQUIRES(...) VEO_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
/// A function whose caller does not hold the capabilities, because the function acquires them.
#define VEO_EXCLUDES(...) VEO_THREAD_ATTRIBUTE(locks_excluded(__VA_ARGS__))
/// A function that acquires the capabilities, and does not release them.
#define VEO_ACQUIRE(...) VEO_THREAD_ATTRIBUTE(acquire_capability(__VA_ARGS__))
/// A function that releases the capabilities, which its caller holds.
#define VEO_RELEASE(...) VEO_THREAD_ATTRIBUTE(release_capability(__VA_ARGS__))
/// A function that checks, while it runs, that the capability is held.
#define VEO_ASSERT_CAPABILITY(...) VEO_THREAD_ATTRIBUTE(assert_capability(__VA_ARGS__))
/// A function that returns a reference of the capability.
#define VEO_RETURN_CAPABILITY(capability) VEO_THREAD_ATTRIBUTE(lock_returned(capability))

/// A method whose result refers to its object: clang refuses to let the result outlive a temporary
/// or local object.
#if defined(__clang__)
#define VEO_LIFETIME_BOUND [[clang::lifetimebound]]
#else
#define VEO_LIFETIME_BOUND
#endif

namespace veo {

/// std::mutex, with the attributes that libstdc++ does not have.
class VEO_CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock() VEO_ACQUIRE() { mutex_.lock(); }
  void unlock() VEO_RELEASE() { mutex_.unlock(); }
  /// Tells the compiler that the caller holds the mutex, where the compiler cannot see that. Does
  /// nothing while the program runs.
  void assert_held() const VEO_ASSERT_CAPABILITY() {}

 private:
  friend class MutexLock;
  std::mutex mutex_;
};

/// Holds a Mutex from its construction to its destruction, except between unlock() and lock().
class VEO_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) VEO_ACQUIRE(mutex) : lock_(mutex.mutex_) {}
  ~MutexLock() VEO_RELEASE() {}
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

  void unlock() VEO_RELEASE() { lock_.unlock(); }
  void lock() VEO_ACQUIRE() { lock_.lock(); }

 private:
  friend class ConditionVariable;
  std::unique_lock<std::mutex> lock_;
};

/// std::condition_variable for a MutexLock. A wait may end without a notification, so the caller
/// waits in a loop.
class ConditionVariable {
 public:
  ConditionVariable() = default;
  ConditionVariable(const ConditionVariable&) = delete;
  ConditionVariable& operator=(const ConditionVariable&) = delete;

  void notify_one() { changed_.notify_one(); }
  void notify_all() { changed_.notify_all(); }

  /// Releases the lock, blocks until a notification, and acquires the lock again.
  void wait(MutexLock& lock) { changed_.wait(lock.lock_); }
  /// Does the same, until that moment at most. False: the moment has passed.
  template <class Clock, class Duration>
  bool wait_until(MutexLock& lock, std::chrono::time_point<Clock, Duration> until) {
    return changed_.wait_until(lock.lock_, until) == std::cv_status::no_timeout;
  }

 private:
  std::condition_variable changed_;
};

}  // namespace veo
