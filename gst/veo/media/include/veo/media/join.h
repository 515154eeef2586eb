// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Clips, one after the other, as one film: a fragmented MP4, without re-encoding.
//
//   Joiner film;
//   for (each clip) {
//     film.append(clip);                       // waits for its header
//     while (!(piece = film.read())->empty())  // waits for as much of it as a fragment takes
//       write(*piece);
//   }
//   write(film.finish());
//
// It has no thread, and holds about half a second of the film, however many clips there are.
//
// Time. Frame k of a clip that follows n frames is shown at (n + k) / rate, exactly. Sound is
// placed on the grid of the film's AAC frames (1,024 samples): each slot is given to the clip in
// which it begins, give or take half a slot, and filled with the clip's frame that is nearest. So
// sound is never more than half an AAC frame early or late, at any join, and a clip whose length is
// a whole number of AAC frames, as that of Veo's is, fits exactly. What the clip's edit list cuts
// away (priming, padding) is left out; where a clip has no sound, silence is put.
//
// Parameter sets (SPS, PPS) go ahead of the first picture of each clip where they differ: the
// sample entry is `avc3` (ISO/IEC 14496-15, 5.3.3.1).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "veo/core/result.h"
#include "veo/media/byte_stream.h"
#include "veo/media/clip_format.h"

namespace veo::media {

using Bytes = std::vector<std::uint8_t>;

/// Thread-compatible: one caller at a time.
class Joiner {
 public:
  Joiner();
  ~Joiner();
  Joiner(const Joiner&) = delete;
  Joiner& operator=(const Joiner&) = delete;

  /// Begins the next clip, once read() has given all of the one before. `clip` is used until
  /// read() returns nothing. Fails with bad_media: not an MP4 of H.264 and AAC-LC, or of another
  /// size, rate or codec than the film so far, which is left as it is; and with what `clip` fails
  /// with.
  Status append(ByteStream& clip);
  /// The film's next bytes; none: the clip is out. A failure is final for this clip, but not for
  /// the film: finish() still ends it well.
  Result<Bytes> read();
  /// The film's last bytes. Once; nothing can be appended after it.
  Result<Bytes> finish();

  /// Of the film so far, from the first append() on.
  [[nodiscard]] const ClipFormat& format() const;
  /// Frames of video in the film so far.
  [[nodiscard]] std::uint64_t frames() const;

 private:
  struct Private;
  std::unique_ptr<Private> p_;
};

}  // namespace veo::media
