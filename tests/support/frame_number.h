// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The frame number that the simulator draws into its clips: a row of 17 blocks of 32 by 32 luma
// pixels from the top left corner. The first 16 blocks are the bits of the number, the most
// significant bit first; white is 1. The last block makes the number of white blocks odd.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace veo::test {

/// The width and height of a block in the simulator's clips.
inline constexpr int frame_number_block = 32;

/// Reads the number from `luma`, the 8-bit plane of a decoded picture, with `stride` bytes from row
/// to row. In a picture that was scaled, the blocks have another size: `block`. Returns nullopt if
/// there is no number, or if it is damaged.
std::optional<unsigned> read_frame_number(const std::uint8_t* luma, int stride, int width,
                                          int height, int block = frame_number_block);

/// Draws the number in the same way. The picture must have room for 17 blocks.
void draw_frame_number(std::uint8_t* luma, int stride, unsigned number,
                       int block = frame_number_block);

/// Decodes the file with FFmpeg and reads the number of each picture; -1 for a picture without one.
std::vector<int> frame_numbers(const std::string& path, int width, int height);

}  // namespace veo::test
