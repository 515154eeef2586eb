// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the API takes, and what it costs.
#pragma once

#include <cstdint>
#include <string>

#include "http.h"

namespace simulator {

/// A request that keeps all the rules; what was not sent has its default.
struct Generation {
  std::string model;
  std::string prompt;
  std::string callback_url;
  std::string resolution = "720p";
  std::string aspect_ratio = "16:9";
  std::string extend_task_id;  ///< for the model veo-3-extend
  std::int64_t credits = 0;    ///< an extension's is the simulator's own choice
};

/// Throws ApiError: 400, or 404 for the model.
Generation check_generation(const Request& request, std::int64_t extend_credits);

}  // namespace simulator
