// SPDX-License-Identifier: LGPL-2.1-or-later
//
// H.264 as an MP4 keeps it (ISO/IEC 14496-15): the decoder configuration record `avcC`, and access
// units of NAL units, each after its length.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "veo/core/result.h"

namespace veo::media::avc {

using Bytes = std::vector<std::uint8_t>;

struct Configuration {
  unsigned length_size = 4;           ///< bytes of each NAL unit's length: 1, 2 or 4
  std::vector<Bytes> parameter_sets;  ///< SPS, then PPS
};

/// Fails with bad_media.
Result<Configuration> parse_configuration(std::span<const std::uint8_t> avcc);

/// Returns the access unit with lengths of 4 bytes, and with `ahead` before its first NAL unit
/// (after an access unit delimiter, which must be first). Fails with bad_media.
Result<Bytes> rewrite(std::span<const std::uint8_t> access_unit, unsigned length_size,
                      std::span<const Bytes> ahead);

}  // namespace veo::media::avc
