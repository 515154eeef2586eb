// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/submission.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "veo/core/error_table.h"

namespace veo {
namespace {

/// The evidence and the answer, with the queries that the table needs.
struct Seen {
  const SubmissionEvidence& wire;
  const SubmissionAnswer& answer;

  /// Whether the complete answer of the service is here. If libsoup was about to send the POST
  /// again, the answer does not decide what became of the POST.
  [[nodiscard]] bool is_complete() const {
    return wire.begun && wire.got_head && wire.complete && !wire.second_start && !wire.failure;
  }
  [[nodiscard]] bool has_status(unsigned status) const {
    return is_complete() && wire.status == status;
  }
  [[nodiscard]] bool has_class(unsigned hundreds) const {
    return is_complete() && wire.status / 100 == hundreds;
  }
  [[nodiscard]] bool has_code(std::string_view code) const {
    return answer.well_formed_error && answer.error.service_code == code;
  }
};

Error make_no_error(const Seen&) { return {}; }

Error make_connection_error(const Seen& seen) {
  if (seen.wire.failure) return *seen.wire.failure;
  Error error;
  error.code = ErrorCode::network;
  error.message =
      with_advice("No connection to the service was made; nothing was sent.", error.code);
  return error;
}

Error make_refusal(const Seen& seen) {
  if (seen.answer.well_formed_error) return seen.answer.error;
  return service_error(classify_service_error(seen.wire.status, {}), seen.wire.status, {});
}

/// Describes the evidence for people, as a text within brackets.
std::string describe_evidence(const Seen& seen) {
  if (seen.wire.failure) return seen.wire.failure->message;
  if (!seen.wire.got_head) return "the connection ended";
  const auto status = "HTTP " + std::to_string(seen.wire.status);
  if (!seen.wire.complete) return status + ", broken off";
  if (!seen.answer.error.service_message.empty()) {
    return status + ", \"" + seen.answer.error.service_message + "\"";
  }
  if (!seen.has_class(2)) return status;
  if (seen.answer.unusable_task_id.empty()) return status + " without a task id";
  // The service has most likely accepted the task. But gst-veo cannot query a task without its id,
  // so a person has to look for it.
  return status + " with a task id that cannot be used: " + seen.answer.unusable_task_id;
}

Error make_unknown_error(const Seen& seen) {
  Error error = seen.answer.error;
  error.code = ErrorCode::submit_unknown;
  // This text describes the evidence. make_unknown_submission_error() explains what it means.
  error.message = "no answer decides it (" + describe_evidence(seen) + ").";
  // The answer cannot be trusted, but its task id is the best hint for a person.
  error.task_id = seen.answer.task_id.value_or("");
  error.http_status = seen.wire.got_head ? seen.wire.status : 0;
  return error;
}

struct Row {
  bool (*applies)(const Seen&);
  Submitted::Kind kind;
  Charged charged;
  Error (*make_error)(const Seen&);
};

// A POST that creates a task is paid when the service accepts it, and HTTP has no way to ask later
// whether the service did. So each outcome needs a proof; a guess is not enough. "Not sent" is
// proven by the absence of the signal that libsoup emits before the first byte. "Refused" is proven
// by a complete answer whose meaning the service documents. "Accepted" is proven by a task id.
// Without a proof the outcome is unknown until a person decides. The last row applies to
// everything. A new row above it needs a proof.
//
// The first row that applies decides.
constexpr Row answer_rows[] = {
    // The POST never began. Any answer came from a proxy and not from the service.
    {[](const Seen& s) { return !s.wire.begun; },  //
     Submitted::Kind::not_sent, Charged::no, make_connection_error},
    // 429 of the rate limiter, which works before anything is charged.
    {[](const Seen& s) { return s.has_status(429) && s.has_code("rate_limit_exceeded"); },
     Submitted::Kind::rate_limited, Charged::no, make_refusal},
    // Any other 4xx, except those that servers and proxies send about the state of a connection and
    // not
    // about the request: 408 (too slow), 409 (conflict), 421 (wrong connection).
    {[](const Seen& s) {
       return s.has_class(4) && !s.has_status(408) && !s.has_status(409) && !s.has_status(421);
     },
     Submitted::Kind::refused, Charged::no, make_refusal},
    // 503 with the service's own error object. The 503 of a gateway does not tell what the service
    // did.
    {[](const Seen& s) {
       return s.has_status(503) && s.has_code("upstream_error") &&
              s.answer.error.service_type == "upstream_error";
     },
     Submitted::Kind::refused, Charged::refunded, make_refusal},
    // 2xx with a task id. The rest of the answer does not matter.
    // The end of the stream does not matter either: the id comes from a complete document.
    {[](const Seen& s) {
       return s.wire.got_head && !s.wire.second_start && s.wire.status / 100 == 2 &&
              s.answer.task_id && !s.answer.task_id->empty();
     },
     Submitted::Kind::accepted, Charged::no, make_no_error},
    // Everything else: a lost or truncated answer, 3xx, 408, 409, 421, another 5xx, a 2xx without a
    // task
    // id, or with a text that is not a task id.
    {[](const Seen&) { return true; },  //
     Submitted::Kind::unknown, Charged::unknown, make_unknown_error},
};

}  // namespace

Submitted classify_submission(const SubmissionEvidence& evidence, const SubmissionAnswer& answer) {
  const Seen seen{evidence, answer};
  const auto& row =
      *std::ranges::find_if(answer_rows, [&](const Row& r) { return r.applies(seen); });

  Submitted end;
  end.kind = row.kind;
  end.error = row.make_error(seen);
  end.error.charged = row.charged;
  const bool has_cost =
      end.kind != Submitted::Kind::accepted && end.kind != Submitted::Kind::unknown;
  if (has_cost) end.error = with_cost(std::move(end.error));
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
