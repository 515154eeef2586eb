// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string>

namespace veo {

/// The identity of a ledger.
struct LedgerIdentity {
  std::string path;  ///< absolute, and the same for each way to name the file
  std::string id;    ///< made with the ledger: a ledger that replaces another has another id
};

/// The identity of a clip in the cache.
struct ClipIdentity {
  std::string api_url;
  std::string task_id;
  std::string intent;       ///< Intent::id; empty if this ledger did not submit the task
  LedgerIdentity ledger{};  ///< the ledger that knows the task; empty: none, or it is not known
};

/// A complete clip in the cache.
struct CachedClip {
  ClipIdentity identity;
  std::string sha256;      ///< the hash of the complete file, in lower-case hexadecimal digits
  std::uint64_t size = 0;  ///< in bytes
  std::string path;        ///< of the file
};

}  // namespace veo
