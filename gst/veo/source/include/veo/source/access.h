// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where the service is, and the key for it: as the user set them, else as the environment says.
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

/// The service's URL. Fails with invalid_request.
Result<std::string> resolve_api_url(const std::string& set);

/// Reads the key file, if one is named. The environment's key goes only to the origin of
/// VEO_API_URL or of the built-in URL. Fails with invalid_request (URL), missing_api_key,
/// invalid_api_key (a key file that others may read, or that holds no key).
Result<Access> resolve_access(const AccessOptions& options);

/// The catalog of the file that VEO_CATALOG names, else the one compiled in. Fails with
/// invalid_request.
Result<std::shared_ptr<const Catalog>> load_catalog();

}  // namespace veo
