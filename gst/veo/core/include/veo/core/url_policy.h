// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The policy for URLs and addresses: which ones gst-veo connects to, and how a URL may be shown.
//
// GUri parses the URLs with the same flags as in libsoup, so libsoup connects to the host that is
// checked here. The policy is stricter than RFC 3986. A URL must not have spaces, control
// characters, backslashes, user info, port 0, an IPv6 zone, or a host that a resolver reads as an
// address in an unusual form (`0x7f.1`).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "veo/core/result.h"

namespace veo {

/// Scheme, host and port of a URL (RFC 6454), in lower case. A key belongs to one origin.
struct Origin {
  std::string scheme;
  std::string host;        ///< in ASCII (punycode); IPv6 without brackets
  std::uint16_t port = 0;  ///< the default port of the scheme if the URL has none
  bool operator==(const Origin&) const = default;
};

/// Parses the origin of an absolute http or https URL. Fails with bad_response if the URL breaks
/// the policy above.
Result<Origin> parse_origin(std::string_view url);

/// Whether `host`, in the form of Origin::host, is `localhost`, in 127.0.0.0/8, or ::1. No name is
/// resolved.
bool is_loopback_host(std::string_view host);
/// Whether `url` is a URL with a loopback host. Services on loopback hosts are simulators, and
/// their credits are play money.
bool is_loopback_url(std::string_view url);

/// Checks the base URL of the API. It must be https, or http to a loopback host, and must not have
/// a query, a fragment or user info. Returns the URL with the spelling of its Origin and without
/// slashes at its end, so that one service has one name. Fails with invalid_request; the message
/// contains the redacted URL.
Result<std::string> check_api_url(std::string_view url);

/// Checks the URL of a video, or of a redirect on the way to it. It must be https to a host outside
/// this machine. If the API is on a loopback host (`api_is_loopback`), the URL may also be http or
/// https to a loopback host. If the host is an address, the address must be public. A host name is
/// not resolved here: the transport checks the connected address. Fails with bad_response; the
/// message contains the redacted URL.
Status check_file_url(std::string_view url, bool api_is_loopback);

/// Whether the address is a globally reachable unicast address. `address` is in network order and
/// has 4 bytes (IPv4) or 16 bytes (IPv6). Private (RFC 1918), loopback, link-local, CGNAT, ULA,
/// multicast, documentation, benchmarking and reserved addresses are not public. An IPv4-mapped or
/// NAT64 address is public if the IPv4 address within it is public.
bool is_public_address(std::span<const std::uint8_t> address);
/// Whether the address is in 127.0.0.0/8, ::1, or an IPv4-mapped form of 127.0.0.0/8. The format is
/// that of is_public_address().
bool is_loopback_address(std::span<const std::uint8_t> address);

/// Makes a URL fit for logs and messages, where the query of a video's URL is a secret. The result
/// has the scheme, the host, the port and the path. The query and the fragment become `?…`, and the
/// user info is left out. Any text may be passed; a text that is not a URL is redacted by the same
/// rules. The result is printable UTF-8 of at most 200 bytes; `…` marks a longer one.
std::string redact_url(std::string_view url);

/// Resolves `reference` against `base` (RFC 3986, section 5). The result is not checked: call
/// check_file_url(). Fails with bad_response if either is not valid.
Result<std::string> resolve_url(std::string_view base, std::string_view reference);

}  // namespace veo
