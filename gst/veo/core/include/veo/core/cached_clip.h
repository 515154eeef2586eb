// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string>

namespace veo {

/// What a clip is called in the cache.
struct ClipIdentity {
  std::string api_url;
  std::string task_id;
  std::string intent;  ///< empty: foreign
};

/// A clip that is in the cache.
struct CachedClip {
  ClipIdentity identity;
  std::string sha256;      ///< of the whole file, in hex
  std::uint64_t size = 0;  ///< bytes
  std::string path;
};

}  // namespace veo
