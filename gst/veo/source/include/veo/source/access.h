// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where the service is, and the key for the service. The user's setting comes before the
// environment.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "veo/core/catalog.h"
#include "veo/core/result.h"
#include "veo/core/secret.h"
#include "veo/options/options.h"

namespace veo {

inline constexpr const char* default_api_url = "https://api.aivideoapi.ai/v1";

struct Access {
  std::string api_url;  ///< checked by check_api_url()
  Secret key;           ///< never empty
};

/// Returns the service's URL. It may be plain http for the hosts of `allow-http`. Fails with
/// invalid_request.
Result<std::string> resolve_api_url(const AccessOptions& options);
/// Returns what each run must tell its user if the key goes by plain http over a network; empty if
/// the key does not.
std::string make_plain_http_notice(const AccessOptions& options);
/// Return the value of the option, else that of its variable. The second fails with invalid_request
/// if the value has not the form of an AddressRanges.
std::string resolve_allow_http(const std::string& set);
Result<std::string> resolve_allow_addresses(const std::string& set);

/// Finds the URL and the key. Reads the key file, if one is named. The environment's key goes only
/// to the origin of VEO_API_URL or of the built-in URL. Fails with invalid_request (the URL),
/// missing_api_key, or invalid_api_key (others may read the key file, or the file holds no key).
Result<Access> resolve_access(const AccessOptions& options);

/// Reads the catalog from the file that VEO_CATALOG names; if VEO_CATALOG is unset, returns the
/// built-in catalog. Fails with invalid_request.
Result<std::shared_ptr<const Catalog>> load_catalog();

}  // namespace veo
