// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a claim comes to, by what is recorded: the same for every store. Pure.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "veo/core/claim.h"
#include "veo/core/record.h"
#include "veo/core/result.h"
#include "veo/ledger/ledger.h"

namespace veo {

/// Whether its owner, if he lives, may yet send it or hear of it.
bool is_running(const Record& record);

/// Of the rows of an intent, newest first, the one that is gone on with by whoever would join (no
/// instance), or has submitted under his own name; null: none.
const Record* find_joinable(const std::vector<Record>& rows, const std::string& instance);

/// It may be submitted, if the budgets allow it.
struct Free {};
using Verdict = std::variant<Free, Later, Record, Error>;

/// By the rows of its intent that are not released, newest first, without an owner that is gone.
Verdict judge(const Claim& claim, const std::vector<Record>& rows, UnixTime now);

/// What counts against the budgets: reserved since `now - budget_window`.
struct Spending {
  Credits all = 0;
  Credits by_uri = 0;
  std::optional<UnixTime> newest;  ///< when the row that was made last by date is dated
};

/// Whether the claim looks at them at all.
bool has_budget(const Claim& claim);
/// Fails with budget_exceeded.
Status check_budgets(const Claim& claim, const Spending& spending, UnixTime now);

}  // namespace veo
