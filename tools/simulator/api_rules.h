// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The rules and the prices of the API.
#pragma once

#include <cstdint>
#include <string>

#include "http.h"

namespace simulator {

/// A request that keeps all the rules. A field that was not sent has its default.
struct Generation {
  std::string model;
  std::string prompt;
  std::string callback_url;
  std::string resolution = "720p";
  std::string aspect_ratio = "16:9";
  std::string extend_task_id;  ///< set for the model veo-3-extend
  std::int64_t credits = 0;    ///< the price; the simulator chooses that of an extension
};

/// Checks the rules. Throws ApiError: 404 for an unknown model, and 400 for any other mistake.
Generation check_generation(const Request& request, std::int64_t extend_credits);

}  // namespace simulator
