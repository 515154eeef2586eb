// SPDX-License-Identifier: LGPL-2.1-or-later
#include "thumbnail.h"

extern "C" {
#include <libswscale/swscale.h>
}

#include <algorithm>

#include "clip_demuxer.h"
#include "decoder.h"

namespace veo::media {

namespace {

// On FFmpeg's scale for MJPEG 2 is the best and 31 the worst.
constexpr int quality = 4;

struct ScalerFree {
  void operator()(SwsContext* scaler) const { sws_freeContext(scaler); }
};
using ScalerPtr = std::unique_ptr<SwsContext, ScalerFree>;

Result<FramePtr> decode_first_picture(ByteStream& clip) {
  auto reader = ClipDemuxer::open(clip);
  if (!reader) return fail(std::move(reader.error()));
  auto codec = open_decoder((*reader)->video());
  if (!codec) return fail(std::move(codec.error()));
  FramePtr frame(av_frame_alloc());
  for (bool more = true; more;) {
    auto packet = (*reader)->next();
    if (!packet) return fail(std::move(packet.error()));
    more = *packet != nullptr;
    if (more && (*packet)->stream_index != (*reader)->video().index) continue;
    static_cast<void>(avcodec_send_packet(codec->get(), packet->get()));
    if (avcodec_receive_frame(codec->get(), frame.get()) == 0) return frame;
  }
  return fail(bad_media("No picture of it can be decoded."));
}

/// Scales the picture, and converts it to JPEG's colours: BT.601, full range.
Result<FramePtr> shrink(const AVFrame& picture, int longest) {
  FramePtr small(av_frame_alloc());
  const auto scaled = [&](int side) {
    const auto longer = std::max({picture.width, picture.height, longest});
    return std::max(1, static_cast<int>(av_rescale(side, longest, longer)));
  };
  small->width = scaled(picture.width);
  small->height = scaled(picture.height);
  small->format = AV_PIX_FMT_YUV420P;
  small->color_range = AVCOL_RANGE_JPEG;
  const ScalerPtr scaler(sws_getContext(
      picture.width, picture.height, static_cast<AVPixelFormat>(picture.format), small->width,
      small->height, AV_PIX_FMT_YUV420P, SWS_AREA | SWS_ACCURATE_RND, nullptr, nullptr, nullptr));
  if (!scaler || av_frame_get_buffer(small.get(), 0) < 0) {
    return fail(bad_media("Its pictures cannot be scaled."));
  }
  constexpr int one = 1 << 16;
  const int from =
      picture.colorspace == AVCOL_SPC_BT470BG || picture.colorspace == AVCOL_SPC_SMPTE170M
          ? SWS_CS_ITU601
          : SWS_CS_ITU709;
  sws_setColorspaceDetails(scaler.get(), sws_getCoefficients(from),
                           picture.color_range == AVCOL_RANGE_JPEG ? 1 : 0,
                           sws_getCoefficients(SWS_CS_ITU601), 1, 0, one, one);
  sws_scale(scaler.get(), picture.data, picture.linesize, 0, picture.height, small->data,
            small->linesize);
  return small;
}

Result<std::vector<std::uint8_t>> encode(AVFrame& picture) {
  const auto* const encoder = avcodec_find_encoder(AV_CODEC_ID_MJPEG);
  const CodecPtr codec(avcodec_alloc_context3(encoder));
  const PacketPtr packet(av_packet_alloc());
  if (encoder == nullptr || !codec || !packet) {
    return fail(bad_media("This FFmpeg writes no JPEG."));
  }
  codec->width = picture.width;
  codec->height = picture.height;
  codec->pix_fmt = AV_PIX_FMT_YUV420P;
  codec->color_range = AVCOL_RANGE_JPEG;
  codec->time_base = {1, 1};
  codec->flags |= AV_CODEC_FLAG_QSCALE | AV_CODEC_FLAG_BITEXACT;
  codec->global_quality = FF_QP2LAMBDA * quality;
  picture.quality = codec->global_quality;
  if (avcodec_open2(codec.get(), encoder, nullptr) < 0 ||
      avcodec_send_frame(codec.get(), &picture) < 0 ||
      avcodec_receive_packet(codec.get(), packet.get()) < 0) {
    return fail(bad_media("Its picture cannot be written as JPEG."));
  }
  return std::vector<std::uint8_t>(packet->data, packet->data + packet->size);
}

}  // namespace

Result<Thumbnail> make_thumbnail(ByteStream& clip, int longest) {
  auto picture = decode_first_picture(clip);
  if (!picture) return fail(std::move(picture.error()));
  auto small = shrink(**picture, longest);
  if (!small) return fail(std::move(small.error()));
  auto jpeg = encode(**small);
  if (!jpeg) return fail(std::move(jpeg.error()));
  return Thumbnail{(*small)->width, (*small)->height, std::move(*jpeg)};
}

}  // namespace veo::media
