// SPDX-License-Identifier: LGPL-2.1-or-later
#include "claim_rules.h"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <tuple>

#include "veo/core/unknown_submission.h"

namespace veo {

namespace {

// How often a restarting program may submit one intent in a day (docs/money.md).
constexpr std::ptrdiff_t max_failures = 3;
constexpr std::ptrdiff_t max_resubmissions = 2;

std::string_view trim(std::string_view text) {
  constexpr std::string_view white = " \t\n\v\f\r";
  const auto first = text.find_first_not_of(white);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(white) - first + 1);
}

bool has_task(const Record& record) {
  return record.state == RecordState::accepted || record.state == RecordState::completed;
}

std::ptrdiff_t count_of_today(const std::vector<Record>& rows, RecordState state, LedgerTime now) {
  return std::ranges::count_if(rows, [&](const Record& row) {
    return row.state == state && row.changed_ledger_time > now - budget_window;
  });
}

Error used_for_another(const Record& row) {
  return {.code = ErrorCode::invalid_request,
          .message = "request-id: this one was used on " + to_text(row.reserved_at) +
                     " for another request. Use another, or the same request. Nothing was sent."};
}

Error failed_too_often(const std::vector<Record>& rows) {
  const auto last = std::ranges::find(rows, RecordState::failed, &Record::state);
  return {.code = ErrorCode::task_failed,
          .message = "The service has failed this request " + std::to_string(max_failures) +
                     " times within 24 hours, the last time as task " + last->task_id + ": " +
                     last->error_message + " Nothing was sent. Change the prompt, or set take.",
          .task_id = last->task_id,
          .charged = Charged::no};
}

/// Refuses the claim because of an unknown submission, until the user says otherwise.
std::optional<Error> check_unknown(const Claim& claim, const std::vector<Record>& rows,
                                   LedgerTime now) {
  const auto first = std::ranges::find(rows, RecordState::unknown, &Record::state);
  if (first == rows.end()) return std::nullopt;
  if (!claim.resubmit) return make_unknown_submission_error(*first, claim.is_plain);
  const auto before = count_of_today(rows, RecordState::superseded, now);
  if (before < max_resubmissions) return std::nullopt;
  auto error = make_unknown_submission_error(*first, claim.is_plain);
  error.message += " on-unknown=resubmit has been used " + std::to_string(before) +
                   " times within 24 hours for this request, which is the limit.";
  return error;
}

}  // namespace

bool is_similar(const Record& a, const Record& b) {
  const auto rest = [](const Record& it) {
    return std::tie(it.api_url, it.account, it.model, it.mode, it.resolution, it.parent_task_id,
                    it.details);
  };
  return a.prompt != b.prompt && trim(a.prompt) == trim(b.prompt) && rest(a) == rest(b);
}

bool is_running(const Record& record) {
  return record.state == RecordState::reserved || record.state == RecordState::sending;
}

const Record* find_joinable(const std::vector<Record>& rows, const std::string& instance) {
  const auto found = std::ranges::find_if(rows, [&](const Record& row) {
    return has_task(row) && (instance.empty() || row.instance == instance);
  });
  return found == rows.end() ? nullptr : &*found;
}

Verdict judge(const Claim& claim, const std::vector<Record>& rows, LedgerTime now) {
  const auto& wanted = claim.record;
  if (claim.by_request_id) {
    const auto other = std::ranges::find_if(rows, [&](const Record& row) {
      return row.request != wanted.request && row.state != RecordState::released;
    });
    if (other != rows.end()) return used_for_another(*other);
  }
  if (const auto* row = find_joinable(rows, wanted.instance)) return *row;
  const auto is_ours = [&](const Record& row) {
    return wanted.instance.empty() || row.instance == wanted.instance;
  };
  if (std::ranges::any_of(rows, [&](const Record& r) { return is_running(r) && is_ours(r); })) {
    return Later{};
  }
  if (auto unknown = check_unknown(claim, rows, now)) return std::move(*unknown);
  if (count_of_today(rows, RecordState::failed, now) >= max_failures) return failed_too_often(rows);
  if (claim.refusal) return *claim.refusal;
  return Free{};
}

bool has_budget(const Claim& claim) { return claim.daily_budget || claim.uri_budget; }

Status check_budgets(const Claim& claim, const Spending& spending) {
  const auto price = claim.price_is_known ? std::optional(claim.record.credits) : std::nullopt;
  const auto check = [&](const char* variable, Credits limit, Credits before) {
    return check_budget(variable, limit, before, price);
  };
  if (claim.daily_budget) {
    auto fits = check("VEO_DAILY_BUDGET", *claim.daily_budget, spending.all);
    if (!fits) return fits;
  }
  if (!claim.record.by_uri) return {};
  if (!claim.uri_budget) {
    return fail({.code = ErrorCode::budget_exceeded,
                 .message = "A veo:clip URI submits a paid task only where VEO_URI_BUDGET allows "
                            "it: set it to the credits that URIs may spend within 24 hours. "
                            "Nothing was sent."});
  }
  return check("VEO_URI_BUDGET", *claim.uri_budget, spending.by_uri);
}

}  // namespace veo
