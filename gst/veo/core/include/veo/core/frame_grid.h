// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The ticks of a live stream. A tick is the time of one video frame, and the samples that belong to
// the frame:
//
//   tick       0              1              2              3
//   video      │ frame 0      │ frame 1      │ frame 2      │
//   24 fps     0 ns           41666666 ns    83333333 ns    125000000 ns
//   audio      │ 1837 samples │ 1838 samples │ 1837 samples │ 1838 samples
//   44.1 kHz   0              1837           3675           5512
//
// All functions compute from the number of the tick, in whole numbers, so no error adds up.
#pragma once

#include <cstdint>

namespace veo {

class FrameGrid {
 public:
  /// `frames` in `seconds` seconds, as the numerator and the denominator of a frame rate, and
  /// `rate` samples in a second. All three are in 1 … 2^31 - 1.
  FrameGrid(std::uint32_t frames, std::uint32_t seconds, std::uint32_t rate)
      : frames_(frames), seconds_(seconds), rate_(rate) {}

  /// Returns when the tick's frame begins, in ns, rounded down.
  [[nodiscard]] std::uint64_t time_of(std::uint64_t tick) const;
  /// Returns the tick that `time`, in ns, is in: the last tick that begins at `time` or earlier.
  [[nodiscard]] std::uint64_t tick_at(std::uint64_t time) const;
  /// Returns how many samples come before the tick's first sample.
  [[nodiscard]] std::uint64_t samples_before(std::uint64_t tick) const;
  /// Returns how many samples belong to the tick.
  [[nodiscard]] std::uint64_t samples_of(std::uint64_t tick) const {
    return samples_before(tick + 1) - samples_before(tick);
  }
  /// Returns when the tick's first sample begins, in ns, rounded down. A sample lasts for longer
  /// than a nanosecond, so this time is earlier than time_of() by less than one sample.
  [[nodiscard]] std::uint64_t sound_time_of(std::uint64_t tick) const;
  /// Returns the duration of the longest tick, in ns.
  [[nodiscard]] std::uint64_t longest_tick() const;

  [[nodiscard]] std::uint32_t rate() const { return static_cast<std::uint32_t>(rate_); }

  bool operator==(const FrameGrid&) const = default;

 private:
  std::uint64_t frames_;
  std::uint64_t seconds_;
  std::uint64_t rate_;
};

}  // namespace veo
