// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "veo/http/transport.h"
#include "veo/system/network_settings.h"

namespace veo {

/// Returns the part of the settings that decides which connections can be shared. If no proxy is
/// set, the environment's proxy is used (https_proxy, all_proxy, no_proxy), and only for https,
/// because plain http never leaves this machine.
http::Network transport_network(const NetworkSettings& settings);

}  // namespace veo
