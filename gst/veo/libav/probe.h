// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>

#include "veo/core/result.h"
#include "veo/media/byte_stream.h"
#include "veo/media/clip_format.h"

namespace veo::media {

/// See Library::probe().
Result<ClipFormat> probe(ByteStream& clip);

/// See Library::count_frames().
Result<std::uint64_t> count_frames(ByteStream& clip);

}  // namespace veo::media
