// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where the API key comes from. The first place that is set decides:
//
//   api-key                              ┐ the user's own setting: goes to any API
//   api-key-file                         ┘
//   $CREDENTIALS_DIRECTORY/veo-api-key   ┐
//   VEO_API_KEY_FILE                     │ the environment's: goes only to the origin of
//   VEO_API_KEY_COMMAND                  │ VEO_API_URL, or else of the built-in URL
//   VEO_API_KEY                          ┘
//
// A file may be a pipe, such as --api-key-file=<(pass show veo). A pipe is read once, and a command
// runs once, in a process: both may ask their user for a password.
#pragma once

#include <chrono>
#include <string>

#include "veo/core/result.h"
#include "veo/core/secret.h"
#include "veo/source/access.h"

namespace veo {

/// Finds the key for the API at `api_url`, which check_api_url() has checked. Waits for files,
/// pipes and commands, so the thread for settings calls it. Fails with missing_api_key or
/// invalid_api_key.
Result<Secret> find_api_key(const AccessOptions& options, const std::string& api_url,
                            AccessProgress& progress);

}  // namespace veo
