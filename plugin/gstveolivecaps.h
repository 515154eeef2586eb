// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The caps of veolivesrc. The frame rate and the sample rate must be known when the element starts,
// because its ticks (veo/core/frame_grid.h) are made of them. So the properties `video-caps` and
// `audio-caps` alone decide these two. Downstream has a say in all other fields that a property
// leaves open.
#pragma once

#include <gst/gst.h>

#include <memory>

#include "gstveoowned.h"
#include "veo/core/frame_grid.h"
#include "veo/core/result.h"

namespace veo::plugin {

using Caps = Owned<GstCaps>;

/// What the documentation calls the default of `video-caps` and of `audio-caps`. An element whose
/// property was not set prefers these values, and takes others if downstream needs others.
inline constexpr const char* default_video_caps =
    "video/x-raw, format=(string)I420, width=(int)1280, height=(int)720, framerate=(fraction)24/1";
inline constexpr const char* default_audio_caps =
    "audio/x-raw, format=(string)F32LE, rate=(int)48000, channels=(int)2, "
    "layout=(string)interleaved";

/// What each output may negotiate. All structures of `video` have the frame rate of `grid`, and all
/// structures of `audio` have its sample rate.
struct LiveCaps {
  Caps video;
  Caps audio;
  FrameGrid grid;
};

/// `video` and `audio` are the properties; null: not set. Fails with invalid_request if one of them
/// cannot be used.
Result<LiveCaps> read_live_caps(const GstCaps* video, const GstCaps* audio);

/// Fixates caps to what is nearest to the defaults. `prefers_alpha`: to a format with an alpha
/// channel, if there is one. The caps are not empty.
Caps fixate_video(Caps caps, bool prefers_alpha);
Caps fixate_audio(Caps caps);

}  // namespace veo::plugin
