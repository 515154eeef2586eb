// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Tags in the `moov` of an MP4 file, in the form that all players and demuxers read:
//
//   moov ── udta ── meta (handler `mdir`) ── ilst ── ©nam, ©day, ©swr, ©cmt, desc ── data
//
// An event with tags does not leave a demuxer that gets the file from us, so only tags in the file
// reach the file that a muxer makes of it.
#pragma once

#include "veo/core/clip_tags.h"
#include "veo/core/mp4_layout.h"

namespace veo::mp4 {

/// Returns the layout with the tags in its `moov`. The tags that the file already has stay as they
/// are, for example the service's own name of the encoder.
///
/// Only a `moov` that the layout moves gets tags: it is a block of memory, and its chunk offsets
/// can be corrected. A file that goes out as it was delivered stays as it is, and so does a file
/// whose own tags have another form than the one above.
Layout add_tags(const Layout& layout, const ClipTags& tags);

}  // namespace veo::mp4
