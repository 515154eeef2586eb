// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <chrono>
#include <memory>
#include <string>

typedef struct _GTlsDatabase GTlsDatabase;

namespace veo {

/// How to reach the network. All exchanges of one element share these settings.
struct NetworkSettings {
  std::string proxy;        ///< URI; empty: the environment's proxy, if there is one
  std::string ssl_ca_file;  ///< PEM; empty: the system's
  std::shared_ptr<GTlsDatabase> tls_database;  ///< if set, used in place of ssl_ca_file
  std::string user_agent;                      ///< empty: `gst-veo/VERSION`
  std::chrono::milliseconds timeout{15'000};   ///< an exchange fails if no byte comes for this long
  /// CIDR ranges of addresses that file hosts may have besides public ones, separated by commas.
  /// Empty: VEO_ALLOW_ADDRESSES, else none.
  std::string allow_addresses = {};
  int retries = 5;  ///< of work that is safe to retry; -1: no limit
  bool operator==(const NetworkSettings&) const = default;
};

}  // namespace veo
