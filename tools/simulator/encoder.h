// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Pictures and sound to H.264 and AAC, by GStreamer's elements.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "clip.h"
#include "stop.h"

namespace simulator {

/// An access unit, in decoding order.
struct Packet {
  std::string bytes;
  unsigned index = 0;  ///< of the frame shown, from 0; for sound as decoded
  bool key = false;
};

struct Track {
  std::string header;  ///< avcC, or AudioSpecificConfig
  std::vector<Packet> packets;
};

struct Encoded {
  Track video;
  /// Begins 2,048 samples before the first picture: 1,024 of silence, and the encoder's priming.
  Track audio;
};
inline constexpr unsigned audio_lead = 2048;    ///< samples
inline constexpr unsigned audio_packet = 1024;  ///< samples
inline constexpr unsigned video_reorder = 2;    ///< frames a B-pyramid is behind

/// Initialises GStreamer when first called; its threads then have the caller's priority. Throws
/// std::runtime_error: with the element's own text when one fails, or because of the Stop.
Encoded encode(const ClipPlan& plan, const Stop& stop);

}  // namespace simulator
