// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a clip shows, as far as it takes to tell whether another one begins with the same footage.
// That one may have been encoded anew, so that its bytes say nothing.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "veo/core/result.h"
#include "veo/media/byte_stream.h"

namespace veo::media {

/// A picture's luma, averaged over the cells of a grid: what an encoder changes is gone, and what
/// another camera would see is not.
struct Picture {
  static constexpr std::size_t columns = 32;
  static constexpr std::size_t rows = 18;
  std::array<std::uint8_t, columns * rows> luma{};
};

/// Decodes up to `count` pictures from frame `first` on, in the order in which they are shown.
/// Fails with bad_media, and with what `clip` fails with.
Result<std::vector<Picture>> read_pictures(ByteStream& clip, std::uint64_t first,
                                           std::size_t count);

/// Whether two runs of pictures, taken one by one, show the same. Of no pictures: false.
bool are_alike(const std::vector<Picture>& a, const std::vector<Picture>& b);

/// How many frames a clip has: as its header says, else by reading it to its end. Fails as
/// read_pictures() does.
Result<std::uint64_t> count_frames(ByteStream& clip);

}  // namespace veo::media
