// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The pictures and the sound of a clip, before they are encoded.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "clip.h"

namespace simulator {

/// The frame number for programs is a row of blocks from the top left corner. Each block is a bit,
/// the most significant bit first; white is 1. One more block makes the number of white blocks odd,
/// so that a black picture is not frame 0.
inline constexpr unsigned frame_number_bits = 16;
inline constexpr unsigned frame_number_block = 32;  ///< the width and the height in luma pixels

/// A picture in I420. The planes have no padding. Width and height are multiples of 4, so
/// GStreamer's strides have no padding either.
class Picture {
 public:
  Picture(unsigned width, unsigned height);

  /// Paints a gradient. The task id decides its hue.
  void paint_background(const std::string& task_id);
  /// Paints moving grain (so that the file has the size of a real one), a ball, and the frame
  /// number.
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

/// Makes a soft tone, with a click at each full second of the film (frame 0 is second 0). The task
/// id decides the pitch. The sound is interleaved stereo with `frames * samples_per_frame` samples
/// for each channel.
std::vector<float> make_sound(const Scene& scene);

}  // namespace simulator
