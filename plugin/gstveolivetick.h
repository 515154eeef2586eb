// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the parts of veolivesrc give each other: formats, and the frame and samples of one tick.
#pragma once

#include <gst/audio/audio.h>
#include <gst/gst.h>
#include <gst/video/video.h>

#include <memory>

#include "gstveoowned.h"

namespace veo::plugin {

using Buffer = Owned<GstBuffer>;

/// One tick of a clip: a frame, and the samples that belong to it. The buffers have no times.
struct LiveTick {
  Buffer video;  ///< in the negotiated format, with its default strides and no crop
  Buffer audio;  ///< as many samples as were asked for, in the negotiated format
};

/// What both outputs have negotiated with downstream. The frame rate and the sample rate are those
/// of the bin's properties. Both formats have fixed caps. The sound is interleaved.
struct LiveFormats {
  GstVideoInfo video;
  GstAudioInfo audio;
};

}  // namespace veo::plugin
