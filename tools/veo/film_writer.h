// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Joins clips to a film, and writes the film to a file or a pipe.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "display.h"
#include "output.h"
#include "veo/media/library.h"

namespace veo::cli {

class FilmWriter {
 public:
  /// `output` must outlive the FilmWriter.
  FilmWriter(const media::Library& media, Output& output)
      : output_(output), joiner_(media.make_joiner()) {}

  /// Sets the tags of the film. Call set_tags() before the first add().
  void set_tags(ClipTags tags) { joiner_->set_tags(std::move(tags)); }
  /// Appends a clip to the film. If the reader of a pipe has left, still reads the clip to its end,
  /// because the clip is paid and must come into the cache. Fails with bad_media, which does not
  /// change the film, with the error of `clip`, or with cache.
  Result<Output::Written> add(media::ByteStream& clip);
  /// Writes the film's last bytes. The caller must finish the output after that.
  Result<Output::Written> finish();
  /// Tells the user what the film lacks so far, for instance exact sound at a join.
  void report_notices(Display& display);

  [[nodiscard]] bool has_reader() const { return has_reader_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] std::uint64_t frames() const { return joiner_->frames(); }

 private:
  Result<Output::Written> write(std::span<const std::uint8_t> bytes);

  Output& output_;
  const std::unique_ptr<media::Joiner> joiner_;
  bool has_reader_ = true;
  std::uint64_t bytes_ = 0;
};

}  // namespace veo::cli
