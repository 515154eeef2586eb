// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What tests of the ledger write into it, and how they look at it: by SQLite alone.
#pragma once

#include <memory>
#include <string>

#include "veo/ledger/ledger.h"

namespace veo::test {

/// Some time of day.
inline constexpr UnixTime noon{std::chrono::milliseconds(1'795'435'200'000)};

Claim a_claim(const std::string& intent = "intent", std::uint32_t credits = 40);

/// Waits until nobody else is at the file. Throws std::runtime_error with what it fails with.
std::shared_ptr<Ledger> open_ledger(const std::string& path);

/// reservation, later, `accepted T`, `completed T`, or the error's nick.
std::string kind_of(const Result<Finding>& found);
/// Throws std::runtime_error where it is none.
Reservation reservation_of(Result<Finding> found);

/// Takes a reserved row to `state` by the shortest way. Throws where a step is refused.
void lead(Ledger& ledger, std::int64_t row, RecordState state, UnixTime at = noon);
/// A row that was claimed, came to `state`, and whose owner is gone.
std::int64_t leave_row(Ledger& ledger, const Claim& claim, RecordState state, UnixTime at = noon);

/// The values that a query gives: columns with a `|`, rows with a newline between them.
std::string query(const std::string& path, const std::string& sql);
/// The states of all rows, in the order in which they were made, with a space between them.
std::string states(const std::string& path);

}  // namespace veo::test
