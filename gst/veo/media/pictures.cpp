// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/media/pictures.h"

#include <cstdlib>

namespace veo::media {

namespace {

// The largest mean difference of the cells, in levels of 256. The difference of a clip and its new
// encoding at a tenth of the bit rate stays below 2; two clips of one street, a second apart,
// differ by more than 8.
constexpr std::uint64_t likeness = 4;

}  // namespace

bool are_alike(const std::vector<Picture>& a, const std::vector<Picture>& b) {
  if (a.empty() || a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::uint64_t difference = 0;
    for (std::size_t cell = 0; cell < a[i].luma.size(); ++cell) {
      difference += static_cast<std::uint64_t>(std::abs(a[i].luma[cell] - b[i].luma[cell]));
    }
    if (difference > likeness * a[i].luma.size()) return false;
  }
  return true;
}

}  // namespace veo::media
