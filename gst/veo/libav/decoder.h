// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "libav_ptr.h"
#include "veo/core/result.h"

namespace veo::media {

/// Opens the decoder for the packets of `stream`. Fails with bad_media.
Result<CodecPtr> open_decoder(const AVStream& stream);

}  // namespace veo::media
