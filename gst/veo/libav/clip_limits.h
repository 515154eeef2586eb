// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a clip may be. Every number in a file is untrusted: a count decides how often a loop turns,
// a size how much is kept, a time how much silence is put before it. So each of them is held to
// these limits, before anything follows from it:
//
//   counts      as the file's boxes say them, before libavformat sees them
//   rates       of frames and samples, when the clip is opened
//   times       of all that the header lists, when the clip is opened; and of each packet
//   bytes       of each packet: together no more than the file has, since none belongs to two
//
// What is beyond them is bad_media.
#pragma once

extern "C" {
#include <libavutil/rational.h>
}

#include <cstdint>
#include <span>

#include "veo/core/result.h"
#include "veo/media/clip_format.h"

namespace veo::media::limits {

/// Frames of all streams together, and entries of a table. Of 24 pictures and 47 AAC frames a
/// second they are 8 hours.
inline constexpr std::uint64_t frames = 1U << 21U;
/// Of an edit list, each of which may have libavformat look at all frames.
inline constexpr std::uint64_t edits = 64;
inline constexpr std::int64_t seconds = 24 * 3600;
inline constexpr int frames_per_second = 1000;
/// Of a frame rate as a fraction, the numerator and the denominator.
inline constexpr int rate_term = 1'000'000;
inline constexpr int sample_rates[] = {7'350, 96'000};  ///< Hz: AAC's lowest and highest
/// Pictures may stand still for as long as they move otherwise, and so much longer.
inline constexpr std::int64_t still_seconds = 60;
/// Frames of video by which decoding runs ahead of showing: H.264's largest buffer.
inline constexpr int reorder_depth = 16;
inline constexpr int side = 8192;                    ///< pixels
inline constexpr std::int64_t pixels = 8192 * 4608;  ///< of a picture
inline constexpr std::uint64_t header = 64U << 20U;  ///< bytes of a box that is no media

/// The counts of a file's boxes.
class Counts {
 public:
  /// What a count may be behind the end of its box, by how much.
  static constexpr std::size_t overlap = 16;

  /// `box` is one of a file's outermost boxes, from its head to `overlap` bytes behind its end.
  /// Fails where a count in it is too large, or where it is encrypted or compressed.
  Status take(std::span<const std::uint8_t> box);

 private:
  std::uint64_t frames_ = 0;  // so far
};

/// So many frames in so many seconds, as a fraction of small terms.
Result<FrameRate> make_rate(AVRational per_second);

Status check_sample_rate(int rate);

/// A time of `clock`.
Status check_time(std::int64_t time, AVRational clock);

/// The place of a picture of a clip, of which so many have come by then, itself among them.
Status check_place(std::int64_t frame, std::int64_t pictures, FrameRate rate);

}  // namespace veo::media::limits
