// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The windows of AAC-LC, and its MDCT (ISO/IEC 14496-3, 4.6.11).
//
// A frame covers 2,048 samples. A decoder's output for a frame is the right half of the frame
// before plus the left half of the frame. Both halves are windowed, and hold the sound and its
// mirror image, which cancel out in the sum.
#pragma once

#include <array>
#include <span>

#include "aac_frame.h"

namespace veo::media::aac {

/// One half of a frame's 2,048 samples.
using Half = std::array<float, frame_length>;

enum class Slope : bool { gradual, steep };  // of 1,024 and of 128 samples

/// Returns the window of a frame's left half. The window of a right half is the mirror image.
const Half& left_window(Slope slope, Shape shape);

/// Returns whether a half is zero where a steep slope makes the half zero, and not zero elsewhere.
bool is_steep_left(const Half& half);
bool is_steep_right(const Half& half);
bool is_zero(const Half& half);

/// Returns the shape of the slopes with which a frame's right half and the next frame's left half
/// overlap. Sine if both halves are zero.
Shape find_shape(const Half& right, const Half& left, Slope slope);

/// Returns the frame with these halves (samples between -1 and 1). Exact if the halves are halves
/// of frames with the same windows. Empty: there is no memory.
std::optional<Channel> transform(const Half& left, Slope left_slope, Shape left_shape,
                                 const Half& right, Slope right_slope, Shape right_shape);

}  // namespace veo::media::aac
