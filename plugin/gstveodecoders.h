// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Whether this machine can decode the video that is about to be paid. decodebin says that a decoder
// is missing only when the video arrives, minutes after the payment, and gst-launch-1.0 then names
// no package.
#pragma once

#include <gst/gst.h>

namespace veo::plugin {

/// Posts a WARNING for `element` if GStreamer has no demuxer for MP4, or no decoder for H.264 or
/// AAC. The WARNING names Debian's packages. The function posts one WARNING in the life of a
/// process, and none if the source pad `pad` leads straight to a sink, such as filesink, which
/// takes the file as it is. Call it before the submission.
///
/// The submission goes on, because a pipeline that stores or sends the file needs no decoder, and
/// nobody can tell what an application will link later. For the same reason the function posts no
/// `missing-plugin` message: an application would offer to install a decoder that it may not need.
/// decodebin posts that message as soon as it needs the decoder.
void warn_of_missing_decoders(GstElement* element, GstPad* pad);

}  // namespace veo::plugin
