// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What may be spent: a limit for one request, and those for all submissions of 24 rolling hours.
// A price that the catalog does not know counts as over every limit.
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

/// Fails with budget_exceeded. `limit` 0: none.
Status check_max_credits(std::optional<std::uint32_t> price, std::uint32_t limit);

/// The limit that an environment variable holds. Fails with budget_exceeded where it is no whole
/// number: a limit that cannot be read must not mean "no limit".
Result<std::optional<Credits>> parse_budget(const char* variable,
                                            const std::optional<std::string>& text);

/// Whether `price` fits beside what was spent within the window. Fails with budget_exceeded, in
/// words about `variable`.
Status check_budget(const char* variable, Credits limit, Credits spent,
                    std::optional<std::uint32_t> price);

}  // namespace veo
