// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "veo/core/result.h"
#include "veo/media/byte_stream.h"
#include "veo/media/pictures.h"

namespace veo::media {

/// See Library::read_pictures().
Result<std::vector<Picture>> read_pictures(ByteStream& clip, std::uint64_t first,
                                           std::size_t count);

}  // namespace veo::media
