// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where the service calls back: the address that we listen on, and the URL that it is told.
//
//   service ──► callback-url/TOKEN ──► the user's proxy ──► callback-listen: …/TOKEN
//
// Without callback-url the service is told the listener's own URL.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "veo/core/result.h"

namespace veo {

/// An address and a TCP port to listen on.
struct ListenAddress {
  std::string address;     ///< numeric, IPv6 without brackets, in its canonical form
  std::uint16_t port = 0;  ///< 0: any free one
  bool is_ipv6 = false;
  bool is_loopback = false;
  bool is_any = false;  ///< 0.0.0.0 or ::, which is nobody's to connect to
  bool operator==(const ListenAddress&) const = default;
};

/// `ADDRESS:PORT` or `[IPv6]:PORT`. A host's name is refused: what it stands for may change, and
/// with it who can reach us. Fails with invalid_request, which names the value.
Result<ListenAddress> parse_listen_address(std::string_view text);

/// As in a URL: `127.0.0.1:8080`, `[::1]:8080`.
std::string to_text(const ListenAddress& listen);

/// Whether the service can call back there: through the user's own URL, else only if the address is
/// one that it can connect to. Fails with invalid_request; nothing was sent.
Status check_reachable(const ListenAddress& listen, bool has_callback_url, bool api_is_loopback);

/// The URL `base` with `/TOKEN` behind its path; its query stays.
std::string make_callback_url(std::string_view base, std::string_view token);

}  // namespace veo
