// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A small picture of a clip, for a page or a list.
#pragma once

#include <cstdint>
#include <vector>

#include "veo/core/result.h"
#include "veo/media/byte_stream.h"

namespace veo::media {

struct Thumbnail {
  int width = 0;  ///< pixels
  int height = 0;
  std::vector<std::uint8_t> jpeg;
};

/// The clip's first picture, which is the cheapest one to have: so small that no side is longer
/// than `longest` pixels, in the clip's own shape. Fails with bad_media, and with what `clip` fails
/// with.
Result<Thumbnail> make_thumbnail(ByteStream& clip, int longest);

}  // namespace veo::media
