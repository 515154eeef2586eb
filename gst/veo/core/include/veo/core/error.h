// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What can go wrong: a code, and a text for people. error_table.h says what each code means to
// GStreamer, to FFmpeg, to the shell and to HTTP.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace veo {

/// The rows of error_codes.def name the codes. The nicks (`nick()`) are a contract: the `veo-error`
/// details structure carries them as its `code`.
enum class ErrorCode {
#define VEO_ERROR_CODE(enumerator, ...) enumerator,
#include "veo/core/error_codes.def"
#undef VEO_ERROR_CODE
};

/// How many codes there are.
inline constexpr std::size_t error_code_count = 0
#define VEO_ERROR_CODE(...) +1
#include "veo/core/error_codes.def"
#undef VEO_ERROR_CODE
    ;

/// The stable name, as in the contract: `invalid-request`, `model-not-found`, …
std::string_view nick(ErrorCode code);

/// Whether the service kept the credits of the failed work.
enum class Charged {
  no,        ///< the service took nothing
  refunded,  ///< the service gave the credits back (by the provider's statement)
  unknown,   ///< we cannot tell
};
std::string_view nick(Charged charged);

struct Error {
  ErrorCode code = ErrorCode::bad_response;
  /// One or two sentences for a person: what happened, to which task, what to do next.
  std::string message;
  /// The HTTP status of the service's answer; 0 if the service did not answer.
  unsigned http_status = 0;
  /// The service's own words, verbatim; empty if the service said nothing.
  std::string service_code;
  std::string service_type;
  std::string service_message;
  /// Empty if no task is known.
  std::string task_id;
  Charged charged = Charged::no;
  /// To try again cannot help, whatever the code says.
  bool is_final = false;
  /// A setting that lets the same work succeed, as `name=value`; empty if there is none.
  std::string remedy = {};

  bool operator==(const Error&) const = default;
};

}  // namespace veo
