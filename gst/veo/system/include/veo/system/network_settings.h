// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <chrono>
#include <memory>
#include <string>

typedef struct _GTlsDatabase GTlsDatabase;

namespace veo {

/// How to reach the network; shared by every exchange of one element.
struct NetworkSettings {
  std::string proxy;                           ///< URI; empty: the environment's, if any
  std::string ssl_ca_file;                     ///< PEM; empty: the system's
  std::shared_ptr<GTlsDatabase> tls_database;  ///< goes before ssl_ca_file
  std::string user_agent;                      ///< empty: our own
  std::chrono::milliseconds timeout{15'000};   ///< no byte for this long
  int retries = 5;                             ///< of what is safe to retry; -1: no end
  bool operator==(const NetworkSettings&) const = default;
};

}  // namespace veo
