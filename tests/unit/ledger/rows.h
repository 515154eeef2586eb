// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Helpers for tests of the ledger: they write rows, and read them with SQLite directly.
#pragma once

#include <memory>
#include <string>

#include "veo/ledger/ledger.h"

namespace veo::test {

/// A time of day for all tests.
inline constexpr UnixTime noon{std::chrono::milliseconds(1'795'435'200'000)};

Claim a_claim(const std::string& intent = "intent", std::uint32_t credits = 40);

/// Waits until the file is not busy. Throws std::runtime_error with the error if opening fails.
std::shared_ptr<Ledger> open_ledger(const std::string& path);

/// Returns `reservation`, `later`, `accepted T`, `completed T`, or the error's nick.
std::string kind_of(const Result<Finding>& found);
/// Throws std::runtime_error if the claim found anything but a reservation.
Reservation reservation_of(Result<Finding> found);

/// Moves a reserved row to `state` by the shortest way. Throws if a step is refused.
void lead(Ledger& ledger, std::int64_t row, RecordState state, const ClockReading& at = noon);
/// Makes a row that was claimed and moved to `state`, and whose owner is gone. Returns the row's
/// id.
std::int64_t leave_row(Ledger& ledger, const Claim& claim, RecordState state,
                       const ClockReading& at = noon);

/// Records the user's decision to go on with a ledger that was made anew.
void accept(Ledger& ledger);

/// Waits until no thread works for a ledger. A change is followed by a checkpoint on the thread of
/// the ledgers, which a fork would interrupt.
void wait_for_checkpoints();

/// Returns the values of a query, with `|` between columns and a newline between rows.
std::string query(const std::string& path, const std::string& sql);
/// Returns the content of a file.
std::string bytes_of(const std::string& path);
/// Returns the states of all rows in the order of their creation, with a space between them.
std::string states(const std::string& path);

}  // namespace veo::test
