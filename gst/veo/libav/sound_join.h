// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Makes the one AAC frame with which the sound of two clips meets exactly.
//
// A decoder's output for a frame is the right half of the frame before plus the left half of the
// frame (aac_window.h). So where a film goes from one clip's frames to another's, two outputs need
// a frame that no clip has:
//
//   clip A       … previous   last
//   clip B                    before   next …
//   film         … previous   X        next …
//   output of X     right half of `previous` + left half of X
//   output of next  right half of X + left half of `next`
//
// The output of X must be A's sound, so the left half of X is that of `last`. The output of `next`
// must be B's sound, so the right half of X is that of `before`.
//
// X has A's slope and shape of the window on its left, and B's on its right. Then X is exact but
// for its quantisation, which is fine, and all other frames stay as they are.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "libav_ptr.h"
#include "veo/core/result.h"

namespace veo::media {

/// The frames around a join. Empty: there is no such frame, which is the same as silence.
struct SoundJoin {
  std::span<const std::uint8_t> previous;  ///< the film's frame before `last`
  std::span<const std::uint8_t> last;      ///< the frame to be replaced
  std::span<const std::uint8_t> before;    ///< the frame before `next` in the clip of `next`
  std::span<const std::uint8_t> next;
};

struct JoinFrame {
  std::vector<std::uint8_t> bytes;
  /// By how much the error in the 2,048 samples around the join is below the sound there; of the
  /// worst channel, in dB. At least `least_quality`.
  double decibels = 0;
};

/// A join is not made if its error is larger than this; in dB below the sound.
inline constexpr double least_quality = 20;

/// Makes the frames for the joins of one film. Thread-compatible: one caller at a time.
class SoundJoiner {
 public:
  /// `sound` describes the film's sound.
  explicit SoundJoiner(std::shared_ptr<const AVCodecParameters> sound) : sound_(std::move(sound)) {}

  /// Makes the frame that replaces `join.last`. Fails with bad_media, and with the reason as a part
  /// of a sentence, if the frames do not allow it.
  Result<JoinFrame> make_frame(const SoundJoin& join);

 private:
  const std::shared_ptr<const AVCodecParameters> sound_;
  CodecPtr decoder_;  // to open one takes longer than to use it, so all joins share one
};

}  // namespace veo::media
