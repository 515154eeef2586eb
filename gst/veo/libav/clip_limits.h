// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The limits of a clip. Every number in a file is untrusted: a count decides how often a loop runs,
// a size how much memory it takes, a time how much silence goes before a sound. So these limits
// apply to each number before any code uses it:
//
//   counts      in the file's boxes, before libavformat sees the boxes
//   rates       of frames and samples, when the clip is opened
//   times       of all frames that the header lists, when the clip is opened; and of each packet
//   bytes       of each packet: all packets together have no more bytes than the file, because no
//               byte belongs to two packets
//
// A number beyond its limit is bad_media.
#pragma once

extern "C" {
#include <libavutil/rational.h>
}

#include <cstdint>
#include <span>

#include "veo/core/result.h"
#include "veo/media/clip_format.h"

namespace veo::media::limits {

/// The most frames of all streams together, and the most entries of a table. So many frames last 8
/// hours with 24 pictures and 47 AAC frames a second.
inline constexpr std::uint64_t frames = 1U << 21U;
/// The most entries of an edit list: for each entry libavformat may go through all frames.
inline constexpr std::uint64_t edits = 64;
inline constexpr std::int64_t seconds = 24 * 3600;
inline constexpr int frames_per_second = 1000;
/// The largest numerator and denominator of a frame rate.
inline constexpr int rate_term = 1'000'000;
inline constexpr int sample_rates[] = {7'350, 96'000};  ///< Hz: AAC's lowest and highest
/// The longest time for which a clip may show still pictures, beyond the time for which its
/// pictures move.
inline constexpr std::int64_t still_seconds = 60;
/// The most frames by which decoding runs ahead of showing: H.264's largest buffer.
inline constexpr int reorder_depth = 16;
inline constexpr int side = 8192;                    ///< pixels
inline constexpr std::int64_t pixels = 8192 * 4608;  ///< of a picture
inline constexpr std::uint64_t header = 64U << 20U;  ///< bytes of a box that holds no media

/// The counts of a file's boxes.
class Counts {
 public:
  /// The most bytes by which a count may lie behind the end of its box.
  static constexpr std::size_t overlap = 16;

  /// Takes one of a file's outermost boxes: `box` reaches from the box's head to `overlap` bytes
  /// behind its end. Fails if a count in the box is too large, or if the box is encrypted or
  /// compressed.
  Status take(std::span<const std::uint8_t> box);

 private:
  std::uint64_t frames_ = 0;  // so far
};

/// Makes a frame rate, as a fraction of small terms.
Result<FrameRate> make_rate(AVRational per_second);

Status check_sample_rate(int rate);

/// Checks a time that counts ticks of `clock`.
Status check_time(std::int64_t time, AVRational clock);

/// Checks the number of a picture's frame against the number of pictures so far (`pictures`, with
/// this picture).
Status check_place(std::int64_t frame, std::int64_t pictures, FrameRate rate);

}  // namespace veo::media::limits
