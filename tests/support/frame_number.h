// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Reads the frame number that the simulator burns into its clips: a row of 17 blocks of 32 by 32
// luma pixels from the top left corner. Sixteen are the number, the most significant bit first,
// white for 1; the last makes the number of white blocks odd.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace veo::test {

/// `luma` is a decoded picture's 8-bit plane, `stride` bytes from row to row. nullopt: there is no
/// number, or it is damaged.
std::optional<unsigned> read_frame_number(const std::uint8_t* luma, int stride, int width,
                                          int height);

/// Of each picture that FFmpeg decodes of a file; -1: it has none.
std::vector<int> frame_numbers(const std::string& path, int width, int height);

}  // namespace veo::test
