// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/frame_grid.h"

namespace veo {

namespace {

constexpr std::uint64_t ns_per_second = 1'000'000'000;

/// Returns value × factor ÷ divisor, rounded down, without an overflow on the way. `factor` and
/// `divisor` are less than 2^32.
constexpr std::uint64_t scale(std::uint64_t value, std::uint64_t factor, std::uint64_t divisor) {
  return value / divisor * factor + value % divisor * factor / divisor;
}

}  // namespace

std::uint64_t FrameGrid::time_of(std::uint64_t tick) const {
  return scale(tick * seconds_, ns_per_second, frames_);
}

std::uint64_t FrameGrid::tick_at(std::uint64_t time) const {
  const auto frames =
      time / ns_per_second * frames_ + time % ns_per_second * frames_ / ns_per_second;
  auto tick = frames / seconds_;
  // time_of() rounds down, so the next tick can have begun already.
  while (time_of(tick + 1) <= time) ++tick;
  return tick;
}

std::uint64_t FrameGrid::samples_before(std::uint64_t tick) const {
  return scale(tick * seconds_, rate_, frames_);
}

std::uint64_t FrameGrid::sound_time_of(std::uint64_t tick) const {
  return scale(samples_before(tick), ns_per_second, rate_);
}

std::uint64_t FrameGrid::longest_tick() const {
  return scale(seconds_, ns_per_second, frames_) +
         (seconds_ * ns_per_second % frames_ == 0 ? 0 : 1);
}

}  // namespace veo
