// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A film on its way to a file or a pipe.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "output.h"
#include "veo/media/library.h"

namespace veo::cli {

class FilmWriter {
 public:
  /// `output` outlives it.
  FilmWriter(const media::Library& media, Output& output)
      : output_(output), joiner_(media.make_joiner()) {}

  /// Puts a clip behind those before. After a reader has gone the rest is read all the same: what
  /// is paid comes into the cache. Fails with bad_media, which leaves the film as it was, with what
  /// `clip` fails with, and with cache.
  Result<Output::Written> add(media::ByteStream& clip);
  /// The film's last bytes. The output is still to be finished.
  Result<Output::Written> finish();

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
