// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <memory>
#include <span>

namespace veo {

/// Bytes that many may read, and that nobody writes any more.
struct SharedBytes {
  std::shared_ptr<const void> owner;  ///< of what `bytes` points to
  std::span<const std::uint8_t> bytes;
};

}  // namespace veo
