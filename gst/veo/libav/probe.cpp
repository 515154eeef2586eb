// SPDX-License-Identifier: LGPL-2.1-or-later
#include "probe.h"

#include "clip_demuxer.h"

namespace veo::media {

Result<ClipFormat> probe(ByteStream& clip) {
  const auto reader = ClipDemuxer::open(clip);
  if (!reader) return fail(reader.error());
  if (const auto joinable = (*reader)->joinable(); !joinable) return fail(joinable.error());
  return (*reader)->format();
}

Result<std::uint64_t> count_frames(ByteStream& clip) {
  auto reader = ClipDemuxer::open(clip);
  if (!reader) return fail(std::move(reader.error()));
  if (const auto frames = (*reader)->format().frames) return *frames;
  std::uint64_t frames = 0;
  for (;;) {
    auto packet = (*reader)->next();
    if (!packet) return fail(std::move(packet.error()));
    if (!*packet) return frames;
    if ((*packet)->stream_index == (*reader)->video().index) ++frames;
  }
}

}  // namespace veo::media
