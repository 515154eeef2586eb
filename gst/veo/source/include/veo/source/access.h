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

/// Returns the service's URL. Fails with invalid_request.
Result<std::string> resolve_api_url(const std::string& set);

/// Finds the URL and the key. Reads the key file, if one is named. The environment's key goes only
/// to the origin of VEO_API_URL or of the built-in URL. Fails with invalid_request (the URL),
/// missing_api_key, or invalid_api_key (others may read the key file, or the file holds no key).
Result<Access> resolve_access(const AccessOptions& options);

/// Reads the catalog from the file that VEO_CATALOG names; if VEO_CATALOG is unset, returns the
/// built-in catalog. Fails with invalid_request.
Result<std::shared_ptr<const Catalog>> load_catalog();

}  // namespace veo
