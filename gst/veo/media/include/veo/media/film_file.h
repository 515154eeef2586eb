// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A file that takes a film as a plain MP4. The size of the film's header is known only at the end
// of the film, and the header comes first in the file. So the writer goes back, and reads bytes
// that it wrote.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "veo/core/result.h"

namespace veo::media {

class FilmFile {
 public:
  virtual ~FilmFile() = default;
  /// Writes all of `bytes` at `offset`, which may lie behind the end of the file so far.
  virtual Status write(std::uint64_t offset, std::span<const std::uint8_t> bytes) = 0;
  /// Copies bytes that were written, from `offset` on. Returns their number; 0: the end.
  virtual Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) = 0;
};

}  // namespace veo::media
