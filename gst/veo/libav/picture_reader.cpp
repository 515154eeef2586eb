// SPDX-License-Identifier: LGPL-2.1-or-later
#include "picture_reader.h"

#include <algorithm>

#include "clip_demuxer.h"
#include "decoder.h"

namespace veo::media {

namespace {

/// Averages the luma. The format's first plane must be luma of 8 bits: H.264 of 8 bits decodes to
/// such formats.
Picture shrink(const AVFrame& frame) {
  Picture picture;
  const auto width = static_cast<std::size_t>(frame.width);
  const auto height = static_cast<std::size_t>(frame.height);
  for (std::size_t row = 0; row < Picture::rows; ++row) {
    const auto top = row * height / Picture::rows;
    const auto bottom = std::max(top + 1, (row + 1) * height / Picture::rows);
    for (std::size_t column = 0; column < Picture::columns; ++column) {
      const auto left = column * width / Picture::columns;
      const auto right = std::max(left + 1, (column + 1) * width / Picture::columns);
      std::uint64_t sum = 0;
      for (auto y = top; y < bottom; ++y) {
        const auto* const line = frame.data[0] + static_cast<std::ptrdiff_t>(y) * frame.linesize[0];
        for (auto x = left; x < right; ++x) sum += line[x];
      }
      picture.luma[row * Picture::columns + column] =
          static_cast<std::uint8_t>(sum / ((bottom - top) * (right - left)));
    }
  }
  return picture;
}

}  // namespace

Result<std::vector<Picture>> read_pictures(ByteStream& clip, std::uint64_t first,
                                           std::size_t count) {
  auto reader = ClipDemuxer::open(clip);
  if (!reader) return fail(std::move(reader.error()));
  auto codec = open_decoder((*reader)->video());
  if (!codec) return fail(std::move(codec.error()));
  const FramePtr frame(av_frame_alloc());
  std::vector<Picture> pictures;
  std::uint64_t shown = 0;
  for (bool more = true; more && pictures.size() < count;) {
    auto packet = (*reader)->next();
    if (!packet) return fail(std::move(packet.error()));
    more = *packet != nullptr;
    if (more && (*packet)->stream_index != (*reader)->video().index) continue;
    // Leave out a picture that cannot be decoded: the sequence is then like no other.
    static_cast<void>(avcodec_send_packet(codec->get(), packet->get()));
    while (pictures.size() < count && avcodec_receive_frame(codec->get(), frame.get()) == 0) {
      const bool is_known =
          frame->format == AV_PIX_FMT_YUV420P || frame->format == AV_PIX_FMT_YUVJ420P ||
          frame->format == AV_PIX_FMT_YUV422P || frame->format == AV_PIX_FMT_YUV444P;
      if (!is_known) return fail(bad_media("Its pictures have another depth than 8 bits."));
      if (shown++ >= first) pictures.push_back(shrink(*frame));
    }
  }
  return pictures;
}

}  // namespace veo::media
