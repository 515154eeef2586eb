// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a clip is, as its header says. The clips of one film must agree in it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

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
  std::optional<AudioFormat> audio;     ///< nullopt: a silent clip
  std::optional<std::uint32_t> frames;  ///< nullopt: the header does not say it (fragmented files)
};

/// "1280x720 h264 at 24/1 frames/s, aac at 48000 Hz", for people.
std::string describe(const ClipFormat& format);

/// The reason why a clip cannot follow in a film: the text names both formats. nullopt: the clip
/// can follow. The number of channels may differ, because each AAC frame says its own.
std::optional<Error> find_mismatch(const ClipFormat& film, const ClipFormat& clip);

}  // namespace veo::media
