// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The sound of a film: one AAC frame in each slot of 1,024 samples, without a muxer.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <span>

#include "libav_ptr.h"
#include "veo/core/result.h"
#include "veo/media/byte_stream.h"

namespace veo::media {

/// Samples of an AAC-LC frame, for each channel.
inline constexpr int aac_frame = 1024;

/// Puts the AAC frames of clips into the slots of a film. Each slot belongs to the clip in which
/// the slot begins (within half a slot), and holds the clip's nearest frame. Where a clip has no
/// sound, the slots hold silence. All times are samples: those of the film begin with the film's
/// first sample, those of a clip when the clip's first picture is shown.
class FilmSound {
 public:
  /// Writes a packet with the sound of one slot. Each slot is written once, in order.
  using Write = std::function<Status(PacketPtr packet)>;

  FilmSound(int channels, Write write) : channels_(channels), write_(std::move(write)) {}

  /// `clip` must live until end_clip(). The clip begins at `start` in the film.
  void begin_clip(const ByteStream& clip, std::int64_t start);
  /// Takes a frame of the clip, which sounds at `time` of the clip; negative: it never sounds.
  void add(PacketPtr frame, std::int64_t time);
  /// Writes the frames that begin before `end` of the film.
  Status write_until(std::int64_t end);
  /// Writes silence into the slots that begin before `end` of the film.
  Status write_silence(std::int64_t end);
  /// Ends the clip, which lasts until `end` of the film.
  Status end_clip(std::int64_t end);

  /// Whether the next slot begins before `end` of the film, by more than half a slot.
  [[nodiscard]] bool has_slot_before(std::int64_t end) const {
    return slots_ * aac_frame < end - aac_frame / 2;
  }

 private:
  struct Sound {
    PacketPtr frame;
    std::int64_t time = 0;  // in the film
  };

  Status write(std::span<const std::uint8_t> frame);

  const int channels_;
  const Write write_;
  const ByteStream* clip_ = nullptr;  // null: no clip is being read
  std::int64_t start_ = 0;            // of that clip
  std::deque<Sound> sounds_;          // frames that were read, but may lie behind the clip's end
  std::int64_t slots_ = 0;            // in the film so far
};

}  // namespace veo::media
