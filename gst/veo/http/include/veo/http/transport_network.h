// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "veo/http/transport.h"
#include "veo/system/network_settings.h"

namespace veo {

/// The part of the settings that decides which connections can be shared. Where no proxy is set,
/// the environment's counts (https_proxy, all_proxy, no_proxy): only https goes through it, since
/// plain http never leaves this machine.
http::Network transport_network(const NetworkSettings& settings);

}  // namespace veo
