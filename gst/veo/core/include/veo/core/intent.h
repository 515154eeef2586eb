// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What makes two requests one: the identity of an intent to pay (MONEY.md).
//
//   intent = API base · account · (canonical request · take | request-id)
//
// The key, the callback URL, the network and the budgets are no part of it. Nor is the catalog,
// which can be replaced: the defaults that count are frozen here, with a version, so that an intent
// keeps its name for as long as its record may live.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "veo/core/request.h"

namespace veo {

/// The request as text, one line a field, so that two requests are one exactly if their texts are
/// equal: values in their exact bytes with their lengths, and fields that equal the documented
/// default left out.
std::string make_canonical_request(const Request& request);

struct Intent {
  struct Settings {
    std::string api_url;  ///< as check_api_url() gives it
    std::string account;  ///< VEO_ACCOUNT
    std::uint32_t take = 1;
    std::string request_id;  ///< empty: none
  };

  std::string id;       ///< SHA-256 in hex: one id, one charge
  std::string request;  ///< SHA-256 in hex of the request alone; with a request-id, of image URLs
                        ///< without their queries
  bool operator==(const Intent&) const = default;
};

Intent make_intent(const Request& request, const Intent::Settings& settings);

/// Whether the URL has a query: signed URLs do, and each signature makes another intent.
bool has_query(std::string_view url);

}  // namespace veo
