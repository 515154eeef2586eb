// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "veo/core/result.h"
#include "veo/media/byte_stream.h"
#include "veo/media/thumbnail.h"

namespace veo::media {

/// See Library::make_thumbnail().
Result<Thumbnail> make_thumbnail(ByteStream& clip, int longest);

}  // namespace veo::media
