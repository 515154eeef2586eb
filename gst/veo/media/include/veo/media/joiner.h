// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Joins clips, one after the other, into one film: an MP4, without re-encoding.
//
//   auto film = library.make_joiner({});
//   film->set_tags(tags);
//   for (each clip) {
//     film->append(clip);                       // waits for the clip's header
//     while (!(piece = film->read())->empty())  // waits for the bytes of one fragment
//       write(*piece);
//   }
//   write(film->finish());
//
// The film has one of two layouts:
//
//   fragments  ftyp moov moof mdat moof mdat …   read() returns them; for pipes and streams
//   plain      ftyp moov mdat                    read() returns nothing; for files
//
// Nobody can count a film's samples before its last clip has come, so a film that plays while it is
// made is a film of fragments. A plain film has true durations and an index. The Joiner writes the
// media into a FilmFile, and at the end shifts the media to make room for the moov.
//
// A Joiner has no thread. It holds about half a second of the film, however many clips there are,
// and for a plain film about 80 bytes for each picture and each AAC frame.
//
// Frame k of a clip that follows n frames is shown at (n + k) / rate, exactly. Sound is placed on
// the grid of the film's AAC frames (1,024 samples): each slot belongs to the clip in which the
// slot begins (within half a slot), and holds the clip's nearest AAC frame. So the sound is never
// more than half an AAC frame early or late, at any join, and a clip whose length is a whole number
// of AAC frames (all of Veo's are) fits exactly. The film omits the frames that the clip's edit
// list cuts away (priming, padding). Where a clip has no sound, the film has silence. The Joiner
// makes one AAC frame anew at each join, so that the sound before and after the join is that of the
// clips. For that the last AAC frame of a clip comes with the next clip, or with finish().
//
// The sample entry is `avc1` if the caller knows beforehand that all clips share their parameter
// sets (SPS, PPS). Otherwise it is `avc3` (ISO/IEC 14496-15, 5.3.3.1): if a clip's parameter sets
// differ from those before, they precede the clip's first picture.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "veo/core/clip_tags.h"
#include "veo/core/result.h"
#include "veo/media/byte_stream.h"
#include "veo/media/clip_format.h"
#include "veo/media/film_file.h"

namespace veo::media {

using Bytes = std::vector<std::uint8_t>;

/// Thread-compatible: one caller at a time.
class Joiner {
 public:
  struct Settings {
    /// Takes the film as a plain MP4, and must outlive the Joiner. Null: the film comes in
    /// fragments, from read().
    FilmFile* file = nullptr;
    /// Whether all clips of the film have the same parameter sets (see have_same_parameter_sets()).
    /// append() then refuses a clip with other ones, because `avc1` has no place for them.
    bool has_one_configuration = false;
  };

  virtual ~Joiner() = default;

  /// Sets the tags of the film's file. Call set_tags() before the first read(), because the tags
  /// are in the film's first bytes.
  virtual void set_tags(ClipTags tags) = 0;

  /// Begins the next clip. Call append() after read() has returned all of the clip before. The
  /// Joiner uses `clip` until read() returns no bytes. Fails with bad_media if the clip is not an
  /// MP4 of H.264 and AAC-LC, or if its size, rate or codec differs from the film's; the film stays
  /// as it is. Also fails with the errors of `clip` and of the file.
  virtual Status append(ByteStream& clip) = 0;
  /// Returns the film's next bytes; empty: the clip has ended. If the film is a plain MP4, read()
  /// writes all of the clip into the file, and returns no bytes. A failure ends this clip, but not
  /// the film: finish() still ends the film correctly, unless the file has failed.
  virtual Result<Bytes> read() = 0;
  /// Returns the film's last bytes, or writes them into the file. Call finish() once; no clip can
  /// be appended after it.
  virtual Result<Bytes> finish() = 0;
  /// Returns a sentence for the user about each join whose sound is not exact, since the last call.
  /// Call take_notices() after a clip, and after finish().
  virtual std::vector<std::string> take_notices() = 0;

  /// Returns the format of the film. Call format() after the first append().
  [[nodiscard]] virtual const ClipFormat& format() const = 0;
  /// Returns the number of video frames in the film so far.
  [[nodiscard]] virtual std::uint64_t frames() const = 0;
};

}  // namespace veo::media
