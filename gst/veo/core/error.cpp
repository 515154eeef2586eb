// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/error.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>

#include "veo/core/error_table.h"

namespace veo {
namespace {

struct Entry {
  ErrorCode code;
  std::string_view nick;
  std::string_view advice;
};

// In the order of the enum.
constexpr Entry entries[] = {
    {ErrorCode::invalid_request, "invalid-request", ""},
    {ErrorCode::model_not_found, "model-not-found",
     "The model may have been retired; a newer catalog (VEO_CATALOG) can name its successor."},
    {ErrorCode::missing_api_key, "missing-api-key",
     "Set VEO_API_KEY or VEO_API_KEY_FILE. To try without a key, money or network, start "
     "veo-simulator, set VEO_API_URL to the address that it prints, and VEO_API_KEY to "
     "sk-simulator."},
    {ErrorCode::invalid_api_key, "invalid-api-key",
     "A key begins with sk-; see in the provider's dashboard whether it is enabled."},
    {ErrorCode::ip_not_allowed, "ip-not-allowed",
     "Add this machine's public address to the key's IP allow-list in the provider's dashboard."},
    {ErrorCode::insufficient_credits, "insufficient-credits",
     "Top up in the provider's dashboard, under Billing."},
    {ErrorCode::spend_limit_exceeded, "spend-limit-exceeded",
     "Wait until the key's hourly or daily limit starts anew, or raise it in the provider's "
     "dashboard."},
    {ErrorCode::budget_exceeded, "budget-exceeded", "Nothing was sent."},
    {ErrorCode::task_not_found, "task-not-found",
     "Check the task id, and that the key belongs to the account that created the task."},
    {ErrorCode::rate_limit_exceeded, "rate-limit-exceeded",
     "Try again later, or allow more retries."},
    {ErrorCode::timeout, "timeout", "A task that was accepted goes on: join it by its task id."},
    {ErrorCode::task_failed, "task-failed",
     "The service returns the credits by itself. If it refused the content, change the prompt."},
    {ErrorCode::upstream_error, "upstream-error",
     "The content may be refused, the parameters unsupported, or the upstream down: change the "
     "request, or try again later."},
    {ErrorCode::submit_unknown, "submit-unknown",
     "It is not sent again by itself. Look for the task in the provider's dashboard: if it is "
     "there, play it by its task id at no further cost. Submitting anew may pay a second time."},
    {ErrorCode::internal_error, "internal-error", "Try again later."},
    {ErrorCode::network, "network", "Check the connection, the proxy and the API's address."},
    {ErrorCode::tls, "tls",
     "Check this machine's clock and its trusted certificates, or name a CA file."},
    {ErrorCode::bad_response, "bad-response", "Check that the API's address is the service's."},
    {ErrorCode::cache, "cache", "Check the space and the permissions of the cache directory."},
    {ErrorCode::ledger, "ledger", "Check the space and the permissions of the ledger's directory."},
    {ErrorCode::bad_media, "bad-media", ""},
};

constexpr bool entries_are_in_order() {
  for (std::size_t i = 0; i < std::size(entries); ++i) {
    if (static_cast<std::size_t>(entries[i].code) != i) return false;
  }
  return true;
}
static_assert(entries_are_in_order());
static_assert(std::size(entries) == static_cast<std::size_t>(ErrorCode::bad_media) + 1);

const Entry& entry(ErrorCode code) { return entries[static_cast<std::size_t>(code)]; }

struct ServiceRow {
  unsigned status;
  std::string_view service_code;
  ErrorCode code;
};

// API.md's table, row for row. A status alone means its first row.
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

}  // namespace

std::string_view nick(ErrorCode code) { return entry(code).nick; }

std::string_view nick(Charged charged) {
  constexpr std::string_view nicks[] = {"no", "refunded", "unknown"};
  return nicks[static_cast<std::size_t>(charged)];
}

std::string_view advice(ErrorCode code) { return entry(code).advice; }

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

Error service_error(ErrorCode code, unsigned status, ServiceWords words) {
  std::string origin = "HTTP " + std::to_string(status);
  if (!words.code.empty()) origin += ", " + words.code;

  Error error;
  error.code = code;
  error.message = with_advice(words.message.empty()
                                  ? "The service refused without saying why (" + origin + ")."
                                  : "The service says: \"" + words.message + "\" (" + origin + ").",
                              code);
  error.http_status = status;
  error.service_code = std::move(words.code);
  error.service_type = std::move(words.type);
  error.service_message = std::move(words.message);
  return error;
}

}  // namespace veo
