// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The limits on spending: one for a single request, and two for all submissions of the last 24
// hours. A price that the catalog does not know is over every limit.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "veo/core/result.h"

namespace veo {

using Credits = std::uint64_t;

inline constexpr std::chrono::hours budget_window{24};

/// Checks the price of one request against the property max-credits. `limit` is in credits; 0 means
/// no limit. Fails with budget_exceeded if the price is above the limit, or unknown.
Status check_max_credits(std::optional<std::uint32_t> price, std::uint32_t limit);

/// Reads a limit in credits from `text`, the value of the environment variable `variable`. Returns
/// nullopt if `text` is nullopt. Fails with budget_exceeded if `text` is not a whole number,
/// because a limit that cannot be read must not mean "no limit".
Result<std::optional<Credits>> parse_budget(const char* variable,
                                            const std::optional<std::string>& text);

/// Checks that `price` and `spent` (the credits of the last 24 hours) together are within `limit`.
/// Fails with budget_exceeded; the message names `variable`, the environment variable of the limit.
Status check_budget(const char* variable, Credits limit, Credits spent,
                    std::optional<std::uint32_t> price);

}  // namespace veo
