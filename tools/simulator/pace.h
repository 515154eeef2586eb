// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A line of limited rate, shared by any number of threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>

#include "stop.h"

namespace simulator {

/// A token bucket seen from the other side: who wants to send books the line's next free stretch
/// of time, and waits until it has passed. Each thread books one quantum at a time, and booking is
/// first come, first served: that is what makes the line fair.
class Pace {
 public:
  explicit Pace(std::uint64_t bytes_per_second) : rate_(bytes_per_second) {}

  /// The most bytes to ask for at once: 50 ms of the line, at most 8 KiB.
  [[nodiscard]] std::uint64_t quantum() const {
    return std::clamp<std::uint64_t>(rate_ / 20, 1, 8192);
  }

  /// Returns when `bytes` more may go out; false when the program ends.
  bool wait(std::uint64_t bytes, Stop& stop) {
    const std::chrono::duration<double> cost(static_cast<double>(bytes) /
                                             static_cast<double>(rate_));
    Clock::time_point done;
    {
      const std::lock_guard lock(mutex_);
      // The line may lag behind the clock a little, which makes up for sleeps that last too long.
      free_from_ = std::max(free_from_, Clock::now() - std::chrono::milliseconds(10)) +
                   std::chrono::duration_cast<Clock::duration>(cost);
      done = free_from_;
    }
    return stop.sleep_until(done);
  }

 private:
  const std::uint64_t rate_;
  std::mutex mutex_;
  Clock::time_point free_from_ = Clock::now();  // guarded by mutex_
};

}  // namespace simulator
