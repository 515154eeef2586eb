// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What can go wrong, as one enum plus a text for people. The element maps the enum to GStreamer's
// error domains (plugin/gstveoerror.cpp), the command to its exit codes; nobody else interprets it.
#pragma once

#include <string>
#include <string_view>

namespace veo {

/// The nicks (`nick()`) are a contract: they are the `code` of the `veo-error` details structure.
enum class ErrorCode {
  invalid_request,       ///< a rule of the catalog or the service refuses the request
  model_not_found,       ///< the service does not have the model (any more)
  missing_api_key,       ///< nothing was sent: there is no key
  invalid_api_key,       ///< the service refuses the key, or the key file is not safe to use
  ip_not_allowed,        ///< the key's IP allow-list
  insufficient_credits,  ///< the account's balance is too low
  spend_limit_exceeded,  ///< the key's hourly, daily or total limit, at the service
  budget_exceeded,       ///< our own limit; nothing was sent
  task_not_found,        ///< the service knows no such task
  rate_limit_exceeded,   ///< the service asked to slow down, more often than `retries` allows
  timeout,               ///< a deadline of ours passed
  task_failed,           ///< the service accepted the task, then gave up on it
  upstream_error,        ///< the service refused the submission through its upstream
  submit_unknown,        ///< the submission may or may not have been accepted, and paid
  internal_error,        ///< the service's own failure, in answer to a query
  network,               ///< no connection, or one that broke
  tls,                   ///< the peer could not be authenticated
  bad_response,          ///< the answer is not what the API promises
  cache,                 ///< a local file with the clip's bytes failed
  ledger,                ///< the record of paid work failed
  bad_media,             ///< the delivered file is not a usable MP4
};

/// The stable name, as in the contract: `invalid-request`, `model-not-found`, …
std::string_view nick(ErrorCode code);

/// Whether the credits of the failed work are gone.
enum class Charged {
  no,        ///< nothing was taken
  refunded,  ///< taken, and given back (by the provider's statement)
  unknown,   ///< we cannot tell
};
std::string_view nick(Charged charged);

struct Error {
  ErrorCode code = ErrorCode::bad_response;
  /// One or two sentences for a person: what happened, to which task, what to do next.
  std::string message;
  /// 0 where no HTTP status of the service itself was seen.
  unsigned http_status = 0;
  /// The service's own words, verbatim; empty where it said nothing.
  std::string service_code;
  std::string service_type;
  std::string service_message;
  /// Empty where no task is known.
  std::string task_id;
  Charged charged = Charged::no;

  bool operator==(const Error&) const = default;
};

}  // namespace veo
