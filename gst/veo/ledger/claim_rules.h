// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The rules that decide a claim by the recorded rows. The rules are the same for every store. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "veo/core/claim.h"
#include "veo/core/record.h"
#include "veo/core/result.h"
#include "veo/ledger/ledger.h"

namespace veo {

/// Whether the row's owner, if it is alive, may still send the submission or get its answer.
bool is_running(const Record& record);

/// Returns the row that a job goes on with. `rows` are the intent's rows, the newest first. With an
/// `instance`, only a row of that instance counts. Null: there is none.
const Record* find_joinable(const std::vector<Record>& rows, const std::string& instance);

/// How many of the newest paid rows to compare with a new request.
inline constexpr std::size_t rows_to_compare = 100;
/// Whether the requests of the rows differ only in white space at the ends of their prompts.
bool is_similar(const Record& a, const Record& b);

/// The intent may be submitted if the budgets allow the price.
struct Free {};
using Verdict = std::variant<Free, Later, Record, Error>;

/// Decides a claim. `rows` are the intent's rows, the newest first, without released rows and
/// without rows of dead owners.
Verdict judge(const Claim& claim, const std::vector<Record>& rows, LedgerTime now);

/// The credits that count against a claim's budgets: those of the last `budget_window`, by ledger
/// time, at services of the claim's kind. Real services are one kind, and services on loopback
/// hosts are the other.
struct Spending {
  Credits all = 0;
  Credits by_uri = 0;
};

/// Whether the claim has a budget.
bool has_budget(const Claim& claim);
/// Fails with budget_exceeded.
Status check_budgets(const Claim& claim, const Spending& spending);

}  // namespace veo
