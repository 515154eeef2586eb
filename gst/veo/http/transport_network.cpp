// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/http/transport_network.h"

#include <initializer_list>
#include <sstream>

#include "veo/system/environment.h"

namespace veo {

namespace {

std::string find_first_set(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (auto value = environment::get(name)) return *value;
  }
  return "";
}

/// Makes a list of `a.example, .b.example`.
std::vector<std::string> split_hosts(const std::string& text) {
  std::vector<std::string> hosts;
  std::istringstream items(text);
  for (std::string item; std::getline(items >> std::ws, item, ',');) {
    item.erase(item.find_last_not_of(' ') + 1);
    if (!item.empty()) hosts.push_back(item);
  }
  return hosts;
}

}  // namespace

http::Network transport_network(const NetworkSettings& settings) {
  http::Network network{.proxy = settings.proxy,
                        .ssl_ca_file = settings.ssl_ca_file,
                        .tls_database = settings.tls_database,
                        .user_agent = settings.user_agent,
                        .no_proxy = {}};
  if (!network.proxy.empty()) return network;
  network.proxy = find_first_set({"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"});
  if (network.proxy.empty()) return network;
  // Add the scheme as curl does, because users write the variables for curl.
  if (network.proxy.find("://") == std::string::npos) network.proxy.insert(0, "http://");
  network.no_proxy = split_hosts(find_first_set({"no_proxy", "NO_PROXY"}));
  for (const char* loopback : {"localhost", "127.0.0.0/8", "::1"}) {
    network.no_proxy.emplace_back(loopback);
  }
  return network;
}

}  // namespace veo
