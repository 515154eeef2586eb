// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The errors of the API.
#pragma once

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>

#include "http.h"

namespace simulator {

struct ErrorRow {
  unsigned status;
  std::string_view code;
  std::string_view type;
  std::string_view message;
};

// clang-format off
inline constexpr ErrorRow error_rows[] = {
    {400, "invalid_request",      "invalid_request_error", "The request is invalid."},
    {401, "invalid_api_key",      "authentication_error",  "The API key is invalid, disabled or deleted."},
    {402, "insufficient_credits", "billing_error",         "Your credit balance is too low. Please top up."},
    {403, "ip_not_allowed",       "permission_error",      "This IP address is not on the key's allow-list."},
    {404, "model_not_found",      "invalid_request_error", "The model does not exist or has been retired."},
    {404, "task_not_found",       "invalid_request_error", "The task does not exist."},
    {429, "rate_limit_exceeded",  "rate_limit_error",      "Too many requests. Please slow down."},
    {429, "spend_limit_exceeded", "billing_error",         "The key's spending limit has been reached."},
    {500, "internal_error",       "api_error",             "An internal error occurred."},
    {503, "upstream_error",       "upstream_error",        "The upstream service returned an error."},
};
// clang-format on

/// Finds the row of an error code; nullptr if there is none.
inline const ErrorRow* find_error(std::string_view code) {
  const auto row = std::find_if(std::begin(error_rows), std::end(error_rows),
                                [code](const ErrorRow& one) { return one.code == code; });
  return row == std::end(error_rows) ? nullptr : row;
}

inline Answer make_error_answer(const ErrorRow& row, std::string_view message) {
  return make_json_answer(
      row.status, {{"error", {{"code", row.code}, {"message", message}, {"type", row.type}}}});
}
inline Answer make_error_answer(const ErrorRow& row) { return make_error_answer(row, row.message); }

/// An exception that ends the handling of a request with an error of the table.
class ApiError : public std::runtime_error {
 public:
  /// `code` must be in the table.
  explicit ApiError(std::string_view code)
      : std::runtime_error(std::string(find_error(code)->message)), row_(*find_error(code)) {}
  ApiError(std::string_view code, const std::string& message)
      : std::runtime_error(message), row_(*find_error(code)) {}

  [[nodiscard]] std::string_view code() const { return row_.code; }
  [[nodiscard]] Answer make_answer() const { return make_error_answer(row_, what()); }

 private:
  const ErrorRow& row_;
};

}  // namespace simulator
