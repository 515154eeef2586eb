// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A small picture of a clip, for a page or a list.
#pragma once

#include <cstdint>
#include <vector>

namespace veo::media {

struct Thumbnail {
  int width = 0;  ///< pixels
  int height = 0;
  std::vector<std::uint8_t> jpeg;
};

}  // namespace veo::media
