// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Ends the threads that block. After request(), sleeps return and watched sockets are shut down, so
// each thread ends and can be joined.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>

namespace simulator {

using Clock = std::chrono::steady_clock;

class Stop {
 public:
  void request();
  [[nodiscard]] bool is_requested() const;

  /// Sleeps until `when`. Returns false if request() ended the sleep.
  bool sleep_until(Clock::time_point when);
  bool sleep_for(Clock::duration duration) { return sleep_until(Clock::now() + duration); }

  /// Shuts the socket down at request(), or at once if request() was called before. It must be
  /// destroyed before the descriptor is closed, because another socket may get the same number.
  class Watch {
   public:
    Watch(Stop& stop, int socket);
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

   private:
    Stop& stop_;
    int socket_;
  };

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  bool requested_ = false;
  std::set<int> sockets_;
};

}  // namespace simulator
