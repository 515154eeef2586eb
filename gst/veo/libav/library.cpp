// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The library that libveo-media gives to veo::media::load().
#include "veo/media/library.h"

#include "film_joiner.h"
#include "picture_reader.h"
#include "probe.h"
#include "thumbnail.h"

namespace veo::media {

namespace {

class LibavLibrary final : public Library {
 public:
  [[nodiscard]] std::unique_ptr<Joiner> make_joiner(Joiner::Settings settings) const override {
    return std::make_unique<FilmJoiner>(settings);
  }
  Result<ClipFormat> probe(ByteStream& clip) const override { return media::probe(clip); }
  Result<std::uint64_t> count_frames(ByteStream& clip) const override {
    return media::count_frames(clip);
  }
  Result<std::vector<Picture>> read_pictures(ByteStream& clip, std::uint64_t first,
                                             std::size_t count) const override {
    return media::read_pictures(clip, first, count);
  }
  Result<Thumbnail> make_thumbnail(ByteStream& clip, int longest) const override {
    return media::make_thumbnail(clip, longest);
  }
};

constinit const LibavLibrary library;
constinit const Entry entry{.version = VEO_VERSION, .library = &library};

}  // namespace

}  // namespace veo::media

extern "C" const veo::media::Entry* veo_media_entry();
const veo::media::Entry* veo_media_entry() { return &veo::media::entry; }
