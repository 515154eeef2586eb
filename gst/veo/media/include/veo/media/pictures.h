// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a clip shows, in enough detail to tell whether another clip begins with the same footage.
// The other clip may be a new encoding, so a comparison of bytes cannot tell that.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace veo::media {

/// A picture's luma, averaged over the cells of a grid. The average hides the changes of an
/// encoder, and keeps the difference from another scene.
struct Picture {
  static constexpr std::size_t columns = 32;
  static constexpr std::size_t rows = 18;
  std::array<std::uint8_t, columns * rows> luma{};
};

/// Compares two sequences, picture by picture. False if one of them is empty.
bool are_alike(const std::vector<Picture>& a, const std::vector<Picture>& b);

}  // namespace veo::media
