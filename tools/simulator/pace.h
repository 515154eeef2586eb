// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A line with a limited rate, which any number of threads share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>

#include "stop.h"

namespace simulator {

/// A thread that wants to send books the next free time of the line, and waits until this time is
/// over. Each thread books one quantum at a time, in the order in which the threads come. So the
/// line is fair.
class Pace {
 public:
  explicit Pace(std::uint64_t bytes_per_second) : rate_(bytes_per_second) {}

  /// The largest number of bytes to book at once: 50 ms of the line, at most 8 KiB.
  [[nodiscard]] std::uint64_t quantum() const {
    return std::clamp<std::uint64_t>(rate_ / 20, 1, 8192);
  }

  /// Waits until `bytes` more bytes may be sent. Returns false if the program ends.
  bool wait(std::uint64_t bytes, Stop& stop) {
    const std::chrono::duration<double> cost(static_cast<double>(bytes) /
                                             static_cast<double>(rate_));
    Clock::time_point done;
    {
      const std::lock_guard lock(mutex_);
      // The line may be a little behind the clock. This compensates for sleeps that last too long.
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
