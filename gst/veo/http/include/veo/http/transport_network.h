// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "veo/http/transport.h"
#include "veo/system/network_settings.h"

namespace veo {

/// Returns the part of the settings that decides which connections can be shared. If no CA file is
/// set, that of the environment is used (VEO_CA_FILE, SSL_CERT_FILE). If no proxy is set, the
/// environment's proxy is used (https_proxy, all_proxy, no_proxy), and only for https, because the
/// hosts that are reached by plain http are on this machine or near it.
http::Network transport_network(const NetworkSettings& settings);

}  // namespace veo
