// SPDX-License-Identifier: LGPL-2.1-or-later
#include "decoder.h"

#include "clip_limits.h"

namespace veo::media {

Result<CodecPtr> open_decoder(const AVStream& stream) {
  const auto* const decoder = avcodec_find_decoder(stream.codecpar->codec_id);
  CodecPtr codec(avcodec_alloc_context3(decoder));
  if (decoder == nullptr || !codec ||
      avcodec_parameters_to_context(codec.get(), stream.codecpar) < 0) {
    return fail(bad_media("There is no decoder for it."));
  }
  // The media have a size of their own, which may differ from the header's size.
  codec->max_pixels = limits::pixels;
  if (avcodec_open2(codec.get(), decoder, nullptr) < 0) {
    return fail(bad_media("There is no decoder for it."));
  }
  return codec;
}

}  // namespace veo::media
