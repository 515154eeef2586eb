// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/http/transport_network.h"

#include <initializer_list>
#include <sstream>
#include <utility>

#include "veo/system/environment.h"

namespace veo {

namespace {

struct Variable {
  std::string name;
  std::string value;
};

/// Returns the first of the variables that has a value; if there is none, an empty value.
Variable find_first_set(std::initializer_list<environment::Name> names) {
  for (const auto name : names) {
    if (auto value = environment::get(name))
      return {.name = name.text(), .value = std::move(*value)};
  }
  return {};
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
                        .user_agent = settings.user_agent};
  if (network.ssl_ca_file.empty() && !network.tls_database) {
    const auto set = find_first_set({"VEO_CA_FILE", "SSL_CERT_FILE"});
    if (!set.value.empty()) {
      network.ssl_ca_file = set.value;
      network.ca_name = set.name;
    }
  }
  if (!network.proxy.empty()) return network;
  const auto set = find_first_set({"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"});
  if (set.value.empty()) return network;
  network.proxy = set.value;
  network.proxy_name = set.name;
  network.is_proxy_for_http = false;
  // Add the scheme as curl does, because users write the variables for curl.
  if (network.proxy.find("://") == std::string::npos) network.proxy.insert(0, "http://");
  network.no_proxy = split_hosts(find_first_set({"no_proxy", "NO_PROXY"}).value);
  for (const char* loopback : {"localhost", "*.localhost", "127.0.0.0/8", "::1"}) {
    network.no_proxy.emplace_back(loopback);
  }
  return network;
}

}  // namespace veo
