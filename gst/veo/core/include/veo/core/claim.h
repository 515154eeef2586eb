// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <optional>

#include "veo/core/budget.h"
#include "veo/core/record.h"

namespace veo {

/// The wish to submit: what would be recorded, and on which terms.
struct Claim {
  /// The row to be made: identity, price and description. Its state and times are not looked at.
  Record record;
  bool by_request_id = false;  ///< then an equal intent with another request is refused
  bool price_is_known = true;  ///< else `record.credits` is 0, and over every budget
  bool resubmit = false;       ///< on-unknown=resubmit
  /// The service and the ledger are those that a line without properties would use: a line to copy
  /// may be offered.
  bool is_plain = false;
  std::optional<Error> refusal;  ///< why nothing may be submitted, whatever is recorded
  std::optional<Credits> daily_budget;
  std::optional<Credits> uri_budget;  ///< looked at where record.by_uri
  bool operator==(const Claim&) const = default;
};

}  // namespace veo
