// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a clip is, as its header says. Clips of one film must agree in it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "veo/core/result.h"
#include "veo/media/byte_stream.h"

namespace veo::media {

struct FrameRate {
  int frames = 0;  ///< in so many …
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
  std::optional<std::uint32_t> frames;  ///< where the header says it (not of a fragmented file)
};

/// "1280x720 h264 at 24/1 frames/s, aac at 48000 Hz", for people.
std::string describe(const ClipFormat& format);

/// Why a clip cannot follow in a film, naming both; nullopt: it can. The number of channels may
/// differ: each AAC frame says how many it has.
std::optional<Error> find_mismatch(const ClipFormat& film, const ClipFormat& clip);

/// Reads the header of a clip, and waits for it. Fails with bad_media, also where no film takes the
/// clip, and with what `clip` fails with.
Result<ClipFormat> probe(ByteStream& clip);

}  // namespace veo::media
