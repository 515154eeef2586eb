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
  /// Waits on the caller's thread until there is a byte at `offset`, then copies the bytes that are
  /// there. Returns their number; 0: the end. The library reads a clip once, from front to back,
  /// except for the headers of the first boxes, if the clip's `moov` (or first `moof`) precedes its
  /// `mdat`.
  virtual Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) = 0;
  /// The caller will not read the bytes before `end` again. Only a Joiner calls this, and only for
  /// a clip that is read from front to back.
  virtual void release(std::uint64_t end) { static_cast<void>(end); }
  /// Whether the reader of this stream must stop at once. The reader asks between any two steps,
  /// because the values of a clip's header can keep it busy for long without a read. Any thread.
  [[nodiscard]] virtual bool is_interrupted() const { return false; }
};

}  // namespace veo::media
