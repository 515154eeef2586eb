// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/error.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>

#include "veo/core/error_table.h"

namespace veo {
namespace {

constexpr ErrorRow rows[] = {
#define VEO_ERROR_CODE(enumerator, ...) {.code = ErrorCode::enumerator, __VA_ARGS__},
#include "veo/core/error_codes.def"
#undef VEO_ERROR_CODE
};

// error_row() takes a code's number for the place of its row.
constexpr bool rows_are_in_order() {
  for (std::size_t i = 0; i < std::size(rows); ++i) {
    if (static_cast<std::size_t>(rows[i].code.value) != i) return false;
  }
  return true;
}
constexpr bool nicks_differ() {
  for (std::size_t i = 0; i < std::size(rows); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (rows[i].nick.value == rows[j].nick.value) return false;
    }
  }
  return true;
}
static_assert(rows_are_in_order());
static_assert(nicks_differ());
static_assert(std::size(rows) == error_code_count);

struct ServiceRow {
  unsigned status;
  std::string_view service_code;
  ErrorCode code;
};

// The error table of the service's documentation, row for row. An answer without a code means the
// first row of its status.
constexpr ServiceRow service_rows[] = {
    {400, "invalid_request", ErrorCode::invalid_request},
    {401, "invalid_api_key", ErrorCode::invalid_api_key},
    {402, "insufficient_credits", ErrorCode::insufficient_credits},
    {403, "ip_not_allowed", ErrorCode::ip_not_allowed},
    {404, "model_not_found", ErrorCode::model_not_found},
    {404, "task_not_found", ErrorCode::task_not_found},
    {429, "rate_limit_exceeded", ErrorCode::rate_limit_exceeded},
    {429, "spend_limit_exceeded", ErrorCode::spend_limit_exceeded},
    {500, "internal_error", ErrorCode::internal_error},
    {503, "upstream_error", ErrorCode::upstream_error},
};

/// Describes an answer without a message. An answer without a code either is not in the service's
/// own form: a page of HTML, or nothing.
std::string describe_silence(const std::string& origin, bool has_code) {
  if (has_code) return "The service refuses without a reason (" + origin + ").";
  return "The answer (" + origin +
         ") has no word of the service. A proxy, a sign-in page or another server may have sent "
         "it.";
}

}  // namespace

std::span<const ErrorRow> error_table() { return rows; }

const ErrorRow& error_row(ErrorCode code) { return rows[static_cast<std::size_t>(code)]; }

std::string_view nick(ErrorCode code) { return error_row(code).nick; }

std::string_view nick(Charged charged) {
  constexpr std::string_view nicks[] = {"no", "refunded", "unknown"};
  return nicks[static_cast<std::size_t>(charged)];
}

bool is_passing(const Error& error) { return error_row(error.code).is_passing && !error.is_final; }

std::string_view advice(ErrorCode code) { return error_row(code).advice; }

ErrorCode classify_service_error(unsigned status, std::string_view service_code) {
  const auto* row = std::ranges::find(service_rows, service_code, &ServiceRow::service_code);
  if (row == std::end(service_rows)) {
    row = std::ranges::find(service_rows, status, &ServiceRow::status);
  }
  if (row != std::end(service_rows)) return row->code;
  switch (status / 100) {
    case 4:
      return ErrorCode::invalid_request;
    case 5:
      return ErrorCode::internal_error;
    default:
      return ErrorCode::bad_response;
  }
}

std::string with_advice(std::string text, ErrorCode code) {
  const auto sentence = advice(code);
  if (!sentence.empty()) text.append(text.empty() ? "" : " ").append(sentence);
  return text;
}

std::string without_advice(std::string text, ErrorCode code) {
  const auto sentence = advice(code);
  const auto at = sentence.empty() ? std::string::npos : text.find(sentence);
  if (at == std::string::npos) return text;
  // Take the space before the advice, too, and so that after an advice at the beginning.
  const auto begin = at > 0 && text[at - 1] == ' ' ? at - 1 : at;
  text.erase(begin, at + sentence.size() - begin);
  if (begin == 0 && text.starts_with(' ')) text.erase(0, 1);
  return text;
}

bool is_paid(const Error& error) {
  return !error.task_id.empty() && error.charged == Charged::unknown &&
         error.code != ErrorCode::submit_unknown && error_row(error.code).keeps_task;
}

Error with_cost(Error error) {
  constexpr std::string_view not_sent = "Nothing was sent, and nothing is paid.";
  constexpr std::string_view refused = "The submission was refused, and nothing is paid.";
  constexpr std::string_view refunded =
      "The submission was refused. The provider says that the credits come back by themselves.";
  // Without the first letter, because the words may begin a sentence.
  constexpr std::string_view is_said = "othing was sent";
  if (error.charged == Charged::unknown || error.message.find(is_said) != std::string::npos) {
    return error;
  }
  const auto sentence = error.charged == Charged::refunded ? refunded
                        : error.http_status != 0           ? refused
                                                           : not_sent;
  if (error.message.find(sentence) == std::string::npos) {
    error.message.append(error.message.empty() ? "" : " ").append(sentence);
  }
  return error;
}

Error service_error(ErrorCode code, unsigned status, ServiceWords words) {
  std::string origin = "HTTP " + std::to_string(status);
  if (!words.code.empty()) origin += ", " + words.code;

  Error error;
  error.code = code;
  // Only a proxy answers so (RFC 9110, section 15.5.8).
  if (status == 407) {
    error.message =
        "A proxy between this machine and the service refuses the user and the password in the "
        "proxy's URI, or there are none (HTTP 407). The service has not seen the request.";
    error.http_status = status;
    error.is_final = true;
    return error;
  }
  const bool is_silent = words.message.empty();
  error.message = is_silent ? describe_silence(origin, !words.code.empty())
                            : "The service says: \"" + words.message + "\" (" + origin + ").";
  if (is_silent && words.code.empty() && status / 100 == 4) {
    // The code's advice is about the account and the request, of which this answer knows nothing.
    error.message +=
        " Open a page in a browser of this network, and check the proxy (https_proxy) and the "
        "API's address (VEO_API_URL).";
  } else {
    error.message = with_advice(std::move(error.message), code);
  }
  error.http_status = status;
  error.service_code = std::move(words.code);
  error.service_type = std::move(words.type);
  error.service_message = std::move(words.message);
  return error;
}

}  // namespace veo
