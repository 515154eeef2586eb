// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Writes one frame of AAC-LC: a raw_data_block of ISO/IEC 14496-3, 4.4.2. FFmpeg's encoder cannot
// be told which window a frame has, and a frame at a join must have the windows of its neighbours.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace veo::media::aac {

/// Samples of a frame, for each channel, and coefficients of a frame.
inline constexpr std::size_t frame_length = 1024;

/// The order of long and short slopes in a frame's window, with the numbers of the standard.
/// Named are the left and the right slope: `long_start` is long on the left, short on the right.
enum class Sequence : std::uint8_t { only_long, long_start, eight_short, long_stop };
/// The curve of a window's slopes, with the numbers of the standard.
enum class Shape : std::uint8_t { sine, kaiser_bessel };

struct Channel {
  Sequence sequence = Sequence::only_long;
  Shape shape = Shape::sine;  ///< of the right half; the frame before decides the left half
  /// The MDCT of samples between -32,768 and 32,767 (4.6.11). With `eight_short` the 128
  /// coefficients of the first window come first.
  std::array<float, frame_length> coefficients{};
};

/// The syntactic element that holds the sound of a frame.
struct Element {
  bool is_pair = false;  ///< a pair of channels (CPE), or a single one (SCE)
  unsigned tag = 0;      ///< 0 to 15
  bool operator==(const Element&) const = default;
};

/// Returns the first element with sound. nullopt: there is none, or it is of another kind.
std::optional<Element> find_element(std::span<const std::uint8_t> frame);

/// Returns the index of a sample rate that has a row in the standard's tables of bands.
std::optional<unsigned> find_sampling_index(int sample_rate);

/// Writes a frame of one or two channels, as `element` says, as finely as 6,144 bits for each
/// channel allow. That is the most that a decoder must take.
std::vector<std::uint8_t> write_frame(const Element& element, unsigned sampling_index,
                                      std::span<const Channel> channels);

}  // namespace veo::media::aac
