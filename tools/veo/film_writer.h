// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Joins clips to a film, and writes the film to a file or a pipe. Into a regular file goes a plain
// MP4, because editors and some players handle fragments badly. A pipe gets fragments, which can be
// played while they come.
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
  FilmWriter(const FilmWriter&) = delete;
  FilmWriter& operator=(const FilmWriter&) = delete;

  struct Settings {
    bool asks_for_fragments = false;     ///< in a file, too
    bool has_one_configuration = false;  ///< see media::Joiner::Settings
  };

  /// `output` must outlive the FilmWriter.
  FilmWriter(const media::Library& media, Output& output, Settings settings);

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
  /// Returns the size of the film so far.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] std::uint64_t frames() const { return joiner_->frames(); }

 private:
  /// The temporary file of the output. An interruption ends a write with an error.
  class File final : public media::FilmFile {
   public:
    explicit File(FilmWriter& writer) : writer_(writer) {}
    Status write(std::uint64_t offset, std::span<const std::uint8_t> bytes) override;
    Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override;

   private:
    FilmWriter& writer_;
  };

  Result<Output::Written> write(std::span<const std::uint8_t> bytes);
  Result<Output::Written> fail_with(Error error) const;

  Output& output_;
  File file_{*this};
  const std::unique_ptr<media::Joiner> joiner_;
  bool has_reader_ = true;
  bool was_interrupted_ = false;
  std::uint64_t bytes_ = 0;
};

}  // namespace veo::cli
