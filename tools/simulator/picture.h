// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The pictures and the sound of a clip, before they are encoded.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "clip.h"

namespace simulator {

/// The frame number, for machines: a row of blocks from the top left corner, one a bit, the most
/// significant first; white is 1. The last block makes the number of white ones odd, so that a
/// black picture is not frame 0.
inline constexpr unsigned frame_number_bits = 16;
inline constexpr unsigned frame_number_block = 32;  ///< luma pixels, both ways

/// A picture as I420, planes without padding. Width and height are multiples of 4, so that
/// GStreamer's strides are these too.
class Picture {
 public:
  Picture(unsigned width, unsigned height);

  /// A gradient in the task's own hue.
  void paint_background(const std::string& task_id);
  /// Grain that moves, so that the file has a real one's size; a ball; and the number.
  void paint_frame(unsigned number);

  [[nodiscard]] unsigned width() const { return width_; }
  [[nodiscard]] unsigned height() const { return height_; }
  [[nodiscard]] std::vector<std::uint8_t>& bytes() { return bytes_; }
  [[nodiscard]] const std::vector<std::uint8_t>& bytes() const { return bytes_; }

 private:
  void fill(unsigned x, unsigned y, unsigned width, unsigned height, std::uint8_t luma);

  unsigned width_;
  unsigned height_;
  std::vector<std::uint8_t> bytes_;
};

/// A soft tone of the task's own pitch, with a click at each full second of `first_frame`'s clock:
/// interleaved stereo, `frames * samples_per_frame` samples each.
std::vector<float> make_sound(const Scene& scene);

}  // namespace simulator
