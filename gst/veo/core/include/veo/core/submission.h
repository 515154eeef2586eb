// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The meaning of the end of a submission's POST. http/ reports the evidence and json/ decodes the
// answer; classify_submission() alone decides what they mean (docs/money.md).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "veo/core/error.h"
#include "veo/core/result.h"

namespace veo {

/// The facts about one POST on the wire. http/ collects them and does not interpret them.
struct SubmissionEvidence {
  /// libsoup has emitted `starting`, so bytes may have left. Only a POST that never began is surely
  /// not sent.
  bool begun = false;
  /// The head of the service's answer came after `begun`. (A proxy's answer to CONNECT does not
  /// count.)
  bool got_head = false;
  /// libsoup was about to send the POST a second time on its own, after a 421, and was stopped.
  bool second_start = false;
  /// The complete body has come, and the exchange ended without an error.
  bool complete = false;
  /// The HTTP status; 0 while `got_head` is false.
  unsigned status = 0;
  /// The `Retry-After` of the answer, as a delay from the answer's arrival.
  std::optional<std::chrono::seconds> retry_after;
  /// The failure of the transport, with a text for people. The code is network, tls or timeout.
  std::optional<Error> failure;
};

/// The outcome of one submission.
struct Submitted {
  enum class Kind {
    accepted,      ///< the service has accepted the task `task_id`
    not_sent,      ///< no byte has left; the job may send it again, within `retries`
    rate_limited,  ///< 429 `rate_limit_exceeded`; the job may send it again after `retry_after`
    refused,       ///< the service has refused it for good; `error` is the reason
    unknown,       ///< the service may or may not have accepted it; the code is `submit_unknown`
  };
  Kind kind = Kind::unknown;
  std::string task_id;
  std::optional<std::chrono::seconds> retry_after;
  Error error;
};

/// The decoded body of the answer, as far as it could be decoded.
struct SubmissionAnswer {
  std::optional<std::string> task_id;  ///< `data.taskId`, if it is a task id
  /// If `data.taskId` is a text that is not a task id: the flaw and the escaped text, for people.
  /// Otherwise empty.
  std::string unusable_task_id;
  bool well_formed_error = false;  ///< the body is a JSON object with the string `error.code`
  Error error;                     ///< if `well_formed_error`: by status and `error.code`
};

/// Decides the outcome of a submission. The table in submission.cpp has each rule and its reason.
Submitted classify_submission(const SubmissionEvidence& evidence, const SubmissionAnswer& answer);

/// For the log.
std::string_view nick(Submitted::Kind kind);

}  // namespace veo
