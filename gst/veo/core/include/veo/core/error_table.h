// SPDX-License-Identifier: LGPL-2.1-or-later
//
// API.md's error table, row for row, as data; and what people are told about each error.
#pragma once

#include <string>
#include <string_view>

#include "veo/core/error.h"

namespace veo {

/// Maps the service's error answer to ours: by the body's `code`, else by the status alone.
/// `status` is 0 for the `error` object of a failed task. A status that the table does not have
/// is `invalid_request` if 4xx, `internal_error` if 5xx, and `bad_response` otherwise.
ErrorCode classify_service_error(unsigned status, std::string_view service_code);

/// What a user can do about it, as a sentence; empty where there is nothing to add.
std::string_view advice(ErrorCode code);
/// `text`, followed by the code's advice.
std::string with_advice(std::string text, ErrorCode code);

/// The `error` object of an answer, each part empty where there is none.
struct ServiceWords {
  std::string code;
  std::string type;
  std::string message;
};

/// The Error for a refusal by the service, in its own words and with advice. `charged` stays `no`:
/// what the refusal means for money depends on what was asked.
Error service_error(ErrorCode code, unsigned status, ServiceWords words);

}  // namespace veo
