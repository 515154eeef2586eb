// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Everything that needs FFmpeg's libraries, behind one interface. The implementation
// (gst/veo/libav) is a shared library of its own, libveo-media: FFmpeg's libraries and their
// dependencies are more than 100 files and 19 MiB, and most processes never join a film. The first
// load() maps it:
//
//   const auto media = media::load();
//   if (!media) return fail(media.error());
//   auto format = (*media)->probe(clip);
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "veo/core/result.h"
#include "veo/media/byte_stream.h"
#include "veo/media/clip_format.h"
#include "veo/media/joiner.h"
#include "veo/media/pictures.h"
#include "veo/media/thumbnail.h"

namespace veo::media {

/// Thread-safe. Each function fails with bad_media, and with the errors of its clip.
class Library {
 public:
  [[nodiscard]] virtual std::unique_ptr<Joiner> make_joiner(Joiner::Settings settings) const = 0;

  /// Reads the header of a clip, and waits for the header. Also fails if the clip cannot be part of
  /// a film.
  virtual Result<ClipFormat> probe(ByteStream& clip) const = 0;

  /// Returns the number of a clip's frames. Reads the clip to its end if the header does not tell
  /// the number.
  virtual Result<std::uint64_t> count_frames(ByteStream& clip) const = 0;

  /// Decodes up to `count` pictures from frame `first` on, in the order in which they are shown.
  virtual Result<std::vector<Picture>> read_pictures(ByteStream& clip, std::uint64_t first,
                                                     std::size_t count) const = 0;

  /// Decodes the clip's first picture (the cheapest one), and scales the picture so that no side is
  /// longer than `longest` pixels. The picture keeps its shape.
  virtual Result<Thumbnail> make_thumbnail(ByteStream& clip, int longest) const = 0;

 protected:
  // The destructor is not virtual, because a Library is never destroyed: threads may use it while
  // the process exits.
  ~Library() = default;
};

/// Loads the library at the first call, which takes about 30 ms. Never unloads the library. After a
/// failure the next call tries again. Fails with bad_media, and with a text that tells the user
/// what to install; the caller adds the consequences for the paid task.
Result<const Library*> load();

/// libveo-media exports the function `veo_media_entry`, of this type.
struct Entry {
  const char* version;  ///< of gst-veo; load() accepts the caller's own version only
  const Library* library;
};
using EntryFunction = const Entry*();

}  // namespace veo::media
