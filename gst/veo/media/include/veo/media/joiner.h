// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Clips, one after the other, as one film: a fragmented MP4, without re-encoding.
//
//   auto film = library.make_joiner();
//   for (each clip) {
//     film->append(clip);                       // waits for the clip's header
//     while (!(piece = film->read())->empty())  // waits for the bytes of one fragment
//       write(*piece);
//   }
//   write(film->finish());
//
// A Joiner has no thread. It holds about half a second of the film, however many clips there are.
//
// Time. Frame k of a clip that follows n frames is shown at (n + k) / rate, exactly. Sound is
// placed on the grid of the film's AAC frames (1,024 samples): each slot belongs to the clip in
// which the slot begins, give or take half a slot, and takes the clip's frame that is nearest. So
// sound is never more than half an AAC frame early or late, at any join, and a clip whose length is
// a whole number of AAC frames (all of Veo's are) fits exactly. The film leaves out what the clip's
// edit list cuts away (priming, padding). Where a clip has no sound, the film has silence.
//
// Parameter sets (SPS, PPS) precede the first picture of each clip where they differ: the sample
// entry is `avc3` (ISO/IEC 14496-15, 5.3.3.1).
#pragma once

#include <cstdint>
#include <vector>

#include "veo/core/result.h"
#include "veo/media/byte_stream.h"
#include "veo/media/clip_format.h"

namespace veo::media {

using Bytes = std::vector<std::uint8_t>;

/// Thread-compatible: one caller at a time.
class Joiner {
 public:
  virtual ~Joiner() = default;

  /// Begins the next clip. Call it after read() gave all of the clip before. The Joiner uses `clip`
  /// until read() returns nothing. Fails with bad_media: the clip is not an MP4 of H.264 and
  /// AAC-LC, or its size, rate or codec differs from the film's; the film stays as it is. Also
  /// fails with the errors of `clip`.
  virtual Status append(ByteStream& clip) = 0;
  /// The film's next bytes; empty: the clip has ended. A failure ends this clip, but not the film:
  /// finish() still ends the film well.
  virtual Result<Bytes> read() = 0;
  /// The film's last bytes. Call it once; nothing can be appended after it.
  virtual Result<Bytes> finish() = 0;

  /// Of the film so far, from the first append() on.
  [[nodiscard]] virtual const ClipFormat& format() const = 0;
  /// Frames of video in the film so far.
  [[nodiscard]] virtual std::uint64_t frames() const = 0;
};

}  // namespace veo::media
