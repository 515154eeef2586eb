// SPDX-License-Identifier: LGPL-2.1-or-later
#include "film_sound.h"

#include <array>
#include <utility>

namespace veo::media {

namespace {

// An AAC frame of silence (ISO/IEC 14496-3, 4.4.2): a single channel element, or a pair of them,
// without coefficients, and the end element.
constexpr std::array<std::uint8_t, 6> mono_silence = {0x00, 0xC8, 0x00, 0x80, 0x23, 0x80};
constexpr std::array<std::uint8_t, 9> stereo_silence = {0x21, 0x00, 0x49, 0x90, 0x02,
                                                        0x19, 0x00, 0x23, 0x80};

std::span<const std::uint8_t> make_silence(int channels) {
  if (channels == 1) return mono_silence;
  return stereo_silence;
}

}  // namespace

void FilmSound::begin_clip(const ByteStream& clip, std::int64_t start) {
  clip_ = &clip;
  start_ = start;
  sounds_.clear();
}

void FilmSound::add(PacketPtr frame, std::int64_t time) {
  sounds_.push_back({std::move(frame), start_ + time});
}

Status FilmSound::write_until(std::int64_t end) {
  while (!sounds_.empty() && has_slot_before(end)) {
    const auto& [frame, time] = sounds_.front();
    if (time >= end) break;
    // Skip priming, and sound that would overlap the sound before.
    if (time >= slots_ * aac_frame - aac_frame / 2) {
      if (auto done = write_silence(time); !done) return done;
      if (auto done = write({frame->data, static_cast<std::size_t>(frame->size)}); !done) {
        return done;
      }
    }
    sounds_.pop_front();
  }
  return {};
}

Status FilmSound::write_silence(std::int64_t end) {
  while (has_slot_before(end)) {
    if (clip_->is_interrupted()) {
      return fail({.code = ErrorCode::network, .message = "The wait was interrupted."});
    }
    if (auto done = write(make_silence(channels_)); !done) return done;
  }
  return {};
}

Status FilmSound::end_clip(std::int64_t end) {
  auto done = write_until(end);
  sounds_.clear();
  if (done) done = write_silence(end);
  clip_ = nullptr;
  return done;
}

Status FilmSound::write(std::span<const std::uint8_t> frame) {
  auto packet = make_packet(frame);
  if (!packet) return fail(bad_media("There is no memory for a sound."));
  packet->flags = AV_PKT_FLAG_KEY;
  packet->pts = packet->dts = slots_ * aac_frame;
  packet->duration = aac_frame;
  ++slots_;
  return write_(std::move(packet));
}

}  // namespace veo::media
