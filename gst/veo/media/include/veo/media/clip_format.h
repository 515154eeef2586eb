// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The format of a clip, from the clip's header. All clips of one film must have the same format.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "veo/core/error.h"

namespace veo::media {

struct FrameRate {
  int frames = 0;  ///< in `seconds`
  int seconds = 1;
  bool operator==(const FrameRate&) const = default;
};

struct VideoFormat {
  std::string codec;  ///< FFmpeg's name
  int width = 0;      ///< pixels
  int height = 0;
  FrameRate rate;
  bool operator==(const VideoFormat&) const = default;
};

struct AudioFormat {
  std::string codec;    ///< FFmpeg's name
  int sample_rate = 0;  ///< Hz
  int channels = 0;
};

struct ClipFormat {
  VideoFormat video;
  std::optional<AudioFormat> audio;  ///< nullopt: a silent clip
  std::optional<std::uint32_t>
      frames;  ///< nullopt: the header does not tell the number (fragmented files)
  /// The H.264 parameter sets of all pictures (SPS, then PPS). Empty: not known, because the sample
  /// entry `avc3` lets each picture bring its own.
  std::vector<std::vector<std::uint8_t>> parameter_sets;
};

/// Returns the format for people, like "1280x720 h264 at 24/1 frames/s, aac at 48000 Hz".
std::string describe(const ClipFormat& format);

/// Returns the reason why a clip cannot follow in a film, with both formats in the text. nullopt:
/// the clip can follow. The number of channels may differ, because each AAC frame has its own.
std::optional<Error> find_mismatch(const ClipFormat& film, const ClipFormat& clip);

/// Whether the parameter sets of all clips are known and equal. A film of such clips needs only one
/// configuration of the decoder.
bool have_same_parameter_sets(std::span<const ClipFormat> clips);

}  // namespace veo::media
