// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <chrono>
#include <string_view>

#include "simulator.h"
#include "veo/options/options.h"

namespace veo::test {

/// Options for the simulator with its key, ledger and cache, and with quick polls.
inline Options make_options(const Simulator& simulator, std::string_view prompt = "a dog") {
  Options options;
  options.request.prompt = prompt;
  options.access.api_url = simulator.api_url();
  options.access.api_key = Secret(simulator.key());
  options.ledger = simulator.ledger();
  options.cache_directory = simulator.cache();
  options.poll_interval = std::chrono::milliseconds(20);
  return options;
}

}  // namespace veo::test
