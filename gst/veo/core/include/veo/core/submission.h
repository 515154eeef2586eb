// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the end of a POST means. This is the law of MONEY.md in one function: the transport reports
// what it saw, this decides, and nobody else does.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "veo/core/error.h"
#include "veo/core/result.h"

namespace veo {

/// What was seen of one POST on the wire. Filled by http/, never interpreted there.
struct SubmissionEvidence {
  /// libsoup emitted `starting`: bytes may have left. The only safe sign of "not sent" is that
  /// this never became true.
  bool begun = false;
  /// The response's own head was seen after `begun`. (A proxy's answer to CONNECT comes without.)
  bool got_head = false;
  /// libsoup was about to send the POST a second time by itself (421) and was stopped.
  bool second_start = false;
  /// The whole body arrived, and the exchange ended without an error.
  bool whole = false;
  /// Of the head; 0 while `got_head` is false.
  unsigned status = 0;
  /// The answer's `Retry-After`, as a delay from its arrival.
  std::optional<std::chrono::seconds> retry_after;
  /// What the transport says for people, where it failed: code network, tls or timeout.
  std::optional<Error> failure;
};

struct Submitted {
  enum class Kind {
    accepted,      ///< the service took it: `task_id` is set
    not_sent,      ///< nothing left; may be sent again by itself, within `retries`
    rate_limited,  ///< 429 `rate_limit_exceeded`: may be sent again after `retry_after`
    refused,       ///< a definite no: `error` says why; never again by itself
    unknown,       ///< may or may not have been accepted: `submit_unknown`
  };
  Kind kind = Kind::unknown;
  std::string task_id;
  std::optional<std::chrono::seconds> retry_after;
  Error error;
};

/// The decoded body of the answer, as far as it could be decoded.
struct SubmissionAnswer {
  std::optional<std::string> task_id;  ///< `data.taskId`, if it is a task id
  /// What else `data.taskId` is, for people: the flaw, and the text itself, escaped. Empty:
  /// nothing.
  std::string unusable_task_id;
  bool well_formed_error = false;  ///< a complete JSON object with `error.code` (string)
  Error error;                     ///< classified by (status, code), where well_formed_error
};

Submitted classify_submission(const SubmissionEvidence& evidence, const SubmissionAnswer& answer);

/// For the log.
std::string_view nick(Submitted::Kind kind);

}  // namespace veo
