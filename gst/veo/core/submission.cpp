// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/submission.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "veo/core/error_table.h"

namespace veo {
namespace {

struct Seen {
  const SubmissionEvidence& wire;
  const SubmissionAnswer& answer;

  /// The service's own status, and all that belongs to it. Where libsoup was about to send the POST
  /// again, the answer is not the last word on it.
  [[nodiscard]] bool complete() const {
    return wire.begun && wire.got_head && wire.whole && !wire.second_start && !wire.failure;
  }
  [[nodiscard]] bool is(unsigned status) const { return complete() && wire.status == status; }
  [[nodiscard]] bool in_class(unsigned hundreds) const {
    return complete() && wire.status / 100 == hundreds;
  }
  [[nodiscard]] bool says(std::string_view code) const {
    return answer.well_formed_error && answer.error.service_code == code;
  }
};

Error nothing(const Seen&) { return {}; }

Error no_connection(const Seen& seen) {
  if (seen.wire.failure) return *seen.wire.failure;
  Error error;
  error.code = ErrorCode::network;
  error.message =
      with_advice("No connection to the service was made; nothing was sent.", error.code);
  return error;
}

Error refusal(const Seen& seen) {
  if (seen.answer.well_formed_error) return seen.answer.error;
  return service_error(classify_service_error(seen.wire.status, {}), seen.wire.status, {});
}

/// For people, within brackets.
std::string last_seen(const Seen& seen) {
  if (seen.wire.failure) return seen.wire.failure->message;
  if (!seen.wire.got_head) return "the connection ended";
  const auto status = "HTTP " + std::to_string(seen.wire.status);
  if (!seen.wire.whole) return status + ", broken off";
  if (!seen.answer.error.service_message.empty()) {
    return status + ", \"" + seen.answer.error.service_message + "\"";
  }
  if (!seen.in_class(2)) return status;
  if (seen.answer.unusable_task_id.empty()) return status + " without a task id";
  // Most likely it was accepted. What cannot be named cannot be asked for, so a person has to look.
  return status + " with a task id that cannot be used: " + seen.answer.unusable_task_id;
}

Error may_be_paid(const Seen& seen) {
  Error error = seen.answer.error;
  error.code = ErrorCode::submit_unknown;
  // What was seen; unknown_submission() says what that means.
  error.message = "no answer decides it (" + last_seen(seen) + ").";
  // From an answer that cannot be trusted, but the best hint there is.
  error.task_id = seen.answer.task_id.value_or("");
  error.http_status = seen.wire.got_head ? seen.wire.status : 0;
  return error;
}

struct Row {
  bool (*seen)(const Seen&);
  Submitted::Kind kind;
  Charged charged;
  Error (*error)(const Seen&);
};

// A POST that creates a task is paid when the service takes it, and HTTP gives no way to ask
// afterwards whether it did. So each end of it must be proven, not guessed: "not sent" by the one
// signal that comes before the first byte, "refused" by a complete answer whose meaning the
// provider has documented, "accepted" by a task id. What proves none of these is unknown, and
// stays so until a person decides: the last row takes everything, and a row above it may only
// be added with a proof.
//
// The first row that was seen counts.
constexpr Row rows[] = {
    // Never begun. Whatever else is there came from a proxy, not from the service.
    {[](const Seen& s) { return !s.wire.begun; },  //
     Submitted::Kind::not_sent, Charged::no, no_connection},
    // 429 by the rate limiter, which stands before the till.
    {[](const Seen& s) { return s.is(429) && s.says("rate_limit_exceeded"); },
     Submitted::Kind::rate_limited, Charged::no, refusal},
    // Any other 4xx, but for those that servers and proxies send about a connection's state, not
    // about the request: 408 (too slow), 409 (conflict), 421 (wrong connection).
    {[](const Seen& s) { return s.in_class(4) && !s.is(408) && !s.is(409) && !s.is(421); },
     Submitted::Kind::refused, Charged::no, refusal},
    // 503 in the service's own words. A gateway's 503 says nothing of what happened behind it.
    {[](const Seen& s) {
       return s.is(503) && s.says("upstream_error") &&
              s.answer.error.service_type == "upstream_error";
     },
     Submitted::Kind::refused, Charged::refunded, refusal},
    // 2xx with a task id, whatever else it says.
    {[](const Seen& s) { return s.in_class(2) && s.answer.task_id && !s.answer.task_id->empty(); },
     Submitted::Kind::accepted, Charged::no, nothing},
    // All else: lost or half answers, 3xx, 408, 409, 421, other 5xx, 2xx without an id, or with a
    // text that breaks the rule of task ids.
    {[](const Seen&) { return true; },  //
     Submitted::Kind::unknown, Charged::unknown, may_be_paid},
};

}  // namespace

Submitted classify_submission(const SubmissionEvidence& evidence, const SubmissionAnswer& answer) {
  const Seen seen{evidence, answer};
  const auto& row = *std::ranges::find_if(rows, [&](const Row& r) { return r.seen(seen); });

  Submitted end;
  end.kind = row.kind;
  end.error = row.error(seen);
  end.error.charged = row.charged;
  if (end.kind == Submitted::Kind::accepted) end.task_id = *answer.task_id;
  if (end.kind == Submitted::Kind::rate_limited) end.retry_after = evidence.retry_after;
  return end;
}

std::string_view nick(Submitted::Kind kind) {
  constexpr std::string_view nicks[] = {"accepted", "not sent", "rate-limited", "refused",
                                        "unknown"};
  return nicks[static_cast<std::size_t>(kind)];
}

}  // namespace veo
