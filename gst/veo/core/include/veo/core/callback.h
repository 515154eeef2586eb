// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Callbacks: the address that the process listens on, and the URL that the service is given.
//
//   service ──► callback-url/TOKEN ──► the user's proxy ──► callback-listen: …/TOKEN
//
// Without callback-url the service gets the URL of the listener itself.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "veo/core/result.h"

namespace veo {

/// An address and a TCP port to listen on.
struct ListenAddress {
  std::string address;     ///< numeric, in the canonical form; IPv6 has no brackets
  std::uint16_t port = 0;  ///< 0 means any free port
  bool is_ipv6 = false;
  bool is_loopback = false;
  bool is_any = false;  ///< 0.0.0.0 or ::, to which nobody can connect
  bool operator==(const ListenAddress&) const = default;
};

/// Parses `ADDRESS:PORT` or `[IPv6]:PORT`. A host name is refused: the address behind a name may
/// change, and then other machines can reach the listener. Fails with invalid_request; the message
/// contains the value.
Result<ListenAddress> parse_listen_address(std::string_view text);

/// Writes the address as a URL has it: `127.0.0.1:8080`, `[::1]:8080`.
std::string to_text(const ListenAddress& listen);

/// Checks that the service can reach the listener. With a callback URL of the user it always can.
/// Without one, the service must be able to connect to the address: 0.0.0.0 and :: are refused, and
/// loopback is refused unless the API is on this machine too. Fails with invalid_request, before
/// anything is sent.
Status check_reachable(const ListenAddress& listen, bool has_callback_url, bool api_is_loopback);

/// Appends `/TOKEN` to the path of the URL `base`. The query of `base` stays; the fragment goes.
std::string make_callback_url(std::string_view base, std::string_view token);

}  // namespace veo
