// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <optional>

#include "veo/core/budget.h"
#include "veo/core/record.h"

namespace veo {

/// A claim asks the ledger for the right to submit: the record to make, and the conditions.
struct Claim {
  /// The row to make: identity, price and description. The ledger ignores its state and its times.
  Record record;
  /// The user gave a request-id. Then the ledger refuses a claim with the same intent and another
  /// request.
  bool by_request_id = false;
  /// False if the catalog has no price. Then `record.credits` is 0, and the price is over every
  /// budget.
  bool price_is_known = true;
  bool resubmit = false;  ///< the user set on-unknown=resubmit
  /// The service and the ledger are the ones that a command line without properties uses. Only then
  /// an error message may offer a line to copy.
  bool is_plain = false;
  /// If set, the ledger grants no claim, and this is the reason. A task that is recorded already
  /// can still be joined.
  std::optional<Error> refusal;
  /// Nothing is submitted: the row will stand for a clip in the cache (Ledger::restore()).
  bool restores = false;
  std::optional<Credits> daily_budget;  ///< VEO_DAILY_BUDGET
  std::optional<Credits> uri_budget;    ///< VEO_URI_BUDGET; counts only if record.by_uri
  bool operator==(const Claim&) const = default;
};

}  // namespace veo
