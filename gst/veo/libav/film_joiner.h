// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A Joiner that uses libavformat's muxer for MP4.
#pragma once

#include <memory>

#include "veo/media/joiner.h"

namespace veo::media {

class FilmJoiner final : public Joiner {
 public:
  explicit FilmJoiner(Settings settings = {});
  ~FilmJoiner() override;
  FilmJoiner(const FilmJoiner&) = delete;
  FilmJoiner& operator=(const FilmJoiner&) = delete;

  void set_tags(ClipTags tags) override;
  Status append(ByteStream& clip) override;
  Result<Bytes> read() override;
  Result<Bytes> finish() override;
  std::vector<std::string> take_notices() override;
  [[nodiscard]] const ClipFormat& format() const override;
  [[nodiscard]] std::uint64_t frames() const override;

 private:
  struct Private;
  std::unique_ptr<Private> p_;
};

}  // namespace veo::media
