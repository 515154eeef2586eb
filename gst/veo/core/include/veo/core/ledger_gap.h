// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A ledger counts its changes, and a witness beside the ledger keeps the newest count. A ledger
// that lacks changes cannot say what was paid, so nothing is submitted until the user decides.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "veo/core/cached_clip.h"
#include "veo/core/error.h"

namespace veo {

/// The changes that a ledger lacks.
struct LedgerGap {
  std::uint64_t missing = 0;  ///< the number of changes
  bool is_other = false;      ///< the witness knows another ledger: all changes of that are missing
  bool operator==(const LedgerGap&) const = default;
};

/// The user's decision to go on with a ledger as it is.
struct LedgerAcceptance {
  std::optional<LedgerGap> given_up;  ///< the changes that are given up
  bool was_needed = false;            ///< false: nothing was missing, and nothing was decided
};

/// Returns a sentence that says what the ledger at `path` lacks.
std::string describe_gap(const std::string& path, const LedgerGap& gap);
/// Says why nothing may be submitted with the ledger at `path`, and what to do. The code is ledger.
Error make_gap_error(const std::string& path, const LedgerGap& gap);
/// The same for a ledger that has never submitted anything, although the cache has `clip`, which
/// was paid with another ledger at this path.
Error make_lost_ledger_error(const std::string& path, const CachedClip& clip);

}  // namespace veo
