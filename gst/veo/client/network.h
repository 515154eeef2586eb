// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "veo/client/access.h"
#include "veo/http/transport.h"

namespace veo {

/// The part of the settings that decides which connections can be shared.
inline http::Network transport_network(const NetworkSettings& settings) {
  return {.proxy = settings.proxy,
          .ssl_ca_file = settings.ssl_ca_file,
          .tls_database = settings.tls_database,
          .user_agent = settings.user_agent};
}

}  // namespace veo
