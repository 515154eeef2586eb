// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/callback.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <system_error>

#include "veo/core/url_policy.h"

namespace veo {

namespace {

auto refuse(std::string_view value, std::string_view why) {
  Error error{.code = ErrorCode::invalid_request};
  // redact_url() makes any value printable.
  error.message.append("callback-listen=").append(redact_url(value)).append(why);
  error.message.append(" Nothing was sent.");
  return fail(std::move(error));
}

}  // namespace

Result<ListenAddress> parse_listen_address(std::string_view text) {
  constexpr std::string_view form =
      " is no ADDRESS:PORT: write 127.0.0.1:8080 or [::1]:8080, with port 0 for any free one. The "
      "name of a host is not taken.";
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return refuse(text, form);
  auto host = text.substr(0, colon);
  const auto port = text.substr(colon + 1);

  ListenAddress listen;
  listen.is_ipv6 = host.starts_with('[') && host.ends_with(']');
  if (listen.is_ipv6) host = host.substr(1, host.size() - 2);
  const int family = listen.is_ipv6 ? AF_INET6 : AF_INET;
  std::array<std::uint8_t, 16> storage{};
  const bool has_nul = host.find('\0') != std::string_view::npos;
  if (has_nul || inet_pton(family, std::string(host).c_str(), storage.data()) != 1) {
    return refuse(text, form);
  }
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), listen.port);
  if (error != std::errc{} || end != port.data() + port.size()) return refuse(text, form);

  const auto bytes = std::span<const std::uint8_t>(storage).first(listen.is_ipv6 ? 16 : 4);
  listen.is_loopback = is_loopback_address(bytes);
  listen.is_any = std::ranges::all_of(bytes, [](auto byte) { return byte == 0; });
  std::array<char, INET6_ADDRSTRLEN> canonical{};
  listen.address = inet_ntop(family, storage.data(), canonical.data(), canonical.size());
  return listen;
}

std::string to_text(const ListenAddress& listen) {
  const auto host = listen.is_ipv6 ? "[" + listen.address + "]" : listen.address;
  return host + ":" + std::to_string(listen.port);
}

Status check_reachable(const ListenAddress& listen, bool has_callback_url, bool api_is_loopback) {
  if (has_callback_url) return {};
  if (listen.is_any) {
    return refuse(to_text(listen),
                  " stands for every address of this machine, which the service cannot be told: "
                  "set callback-url to the URL under which it is reached.");
  }
  if (listen.is_loopback && !api_is_loopback) {
    return refuse(to_text(listen),
                  " is an address that the service cannot reach: set callback-url to the public "
                  "URL of a proxy of yours that passes requests on to it.");
  }
  return {};
}

std::string make_callback_url(std::string_view base, std::string_view token) {
  base = base.substr(0, base.find('#'));
  const auto path_end = std::min(base.find('?'), base.size());
  const auto query = base.substr(path_end);
  std::string url(base.substr(0, path_end));
  if (!url.ends_with('/')) url += '/';
  return url.append(token).append(query);
}

}  // namespace veo
