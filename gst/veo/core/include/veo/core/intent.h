// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The identity of an intent to pay. Two requests with the same intent are one task, and one charge
// (docs/money.md).
//
//   intent = API base · account · (canonical request · take | request-id)
//
// The key, the callback URL, the network options and the budgets are not part of the intent. The
// catalog is not part of it either, because a user can replace it. The defaults of the request's
// fields are therefore fixed in intent.cpp, under a version, and an intent has the same id for as
// long as its record exists.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "veo/core/request.h"

namespace veo {

/// Writes the request as a text with one line for each field. Two requests ask for the same video
/// if and only if their texts are equal. Each value is written with its length and its exact bytes.
/// A field with its documented default is left out.
std::string make_canonical_request(const Request& request);

struct Intent {
  /// The parts of an intent besides the request.
  struct Settings {
    std::string api_url;     ///< the result of check_api_url()
    std::string account;     ///< VEO_ACCOUNT; empty if it is unset
    std::uint32_t take = 1;  ///< another take of the same request is another intent
    std::string request_id;  ///< the user's own identity of the request; empty for none
  };

  /// The SHA-256 of the intent, in hexadecimal digits.
  std::string id;
  /// The SHA-256 of the canonical request alone, in hexadecimal digits. With a request-id, the
  /// image URLs count without their queries, because the signature in a query changes each time.
  std::string request;
  bool operator==(const Intent&) const = default;
};

/// Makes the intent of `request`. With a request-id, the id depends on the request-id and not on
/// the request or the take.
Intent make_intent(const Request& request, const Intent::Settings& settings);

/// Whether the URL has a query. A signed URL has one, and each new signature makes another intent.
bool has_query(std::string_view url);

}  // namespace veo
