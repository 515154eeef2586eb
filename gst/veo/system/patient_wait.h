// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <algorithm>
#include <chrono>

#include "veo/system/patience.h"

namespace veo {

/// One wait with a Patience, as time slices for poll(2).
class PatientWait {
 public:
  explicit PatientWait(const Patience& patience)
      : patience_(patience), until_(Clock::now() + patience.timeout) {}

  [[nodiscard]] bool is_cancelled() const {
    return patience_.is_cancelled && patience_.is_cancelled();
  }
  [[nodiscard]] bool is_over() const { return Clock::now() >= until_; }
  /// Returns the timeout of the next poll(2), in milliseconds: short enough that the thread notices
  /// a cancellation soon.
  [[nodiscard]] int slice() const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until_ - Clock::now());
    return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, longest_slice));
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::int64_t longest_slice = 20;

  const Patience& patience_;
  const Clock::time_point until_;
};

}  // namespace veo
