// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A clip's bytes, which may still be arriving.
#pragma once

#include <cstdint>
#include <span>

#include "veo/core/result.h"

namespace veo::media {

class ByteStream {
 public:
  virtual ~ByteStream() = default;
  /// Waits on the caller's thread until there is a byte at `offset`, and copies what is there: how
  /// many bytes, 0 at the end. A clip whose `moov` (or first `moof`) comes ahead of its `mdat` is
  /// read from front to back, once, but for the headers of its first boxes.
  virtual Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) = 0;
  /// What lies before `end` will not be read again. Said by a Joiner alone, and only of such a
  /// clip.
  virtual void release(std::uint64_t end) { static_cast<void>(end); }
  /// Whether its reader is to stop at once: asked between any two steps, since what a clip's header
  /// says may take long without a byte being read. Any thread.
  [[nodiscard]] virtual bool is_interrupted() const { return false; }
};

}  // namespace veo::media
