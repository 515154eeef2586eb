// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Encodes pictures and sound to H.264 and AAC, with elements of GStreamer.
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
  unsigned index = 0;  ///< the number of the frame in display order, from 0; for sound in its order
  bool key = false;    ///< can be decoded without other packets
};

struct Track {
  std::string header;  ///< the content of avcC, or the AudioSpecificConfig
  std::vector<Packet> packets;
};

struct Encoded {
  Track video;
  /// Begins 2,048 samples before the first picture: 1,024 of silence, and 1,024 of the encoder's
  /// priming.
  Track audio;
};
inline constexpr unsigned audio_lead = 2048;    ///< samples before the first picture
inline constexpr unsigned audio_packet = 1024;  ///< samples of a packet
inline constexpr unsigned video_reorder = 2;    ///< the delay of a B-pyramid in frames

/// Encodes a clip. The first call initialises GStreamer, whose threads then have the caller's
/// priority. Throws std::runtime_error if an element fails (with the text of the element), or if
/// the Stop is requested.
Encoded encode(const ClipPlan& plan, const Stop& stop);

}  // namespace simulator
