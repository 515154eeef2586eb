// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which URLs and addresses we talk to, and how URLs may be shown.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "veo/core/result.h"

namespace veo {

/// Scheme, host and port: the unit to which a key belongs. Lower case, default port filled in.
struct Origin {
  std::string scheme;
  std::string host;
  std::uint16_t port = 0;
  bool operator==(const Origin&) const = default;
};

/// Fails with bad_response on what is not an absolute http(s) URL with a host, or has user info.
Result<Origin> origin_of(std::string_view url);

/// `localhost`, 127.0.0.0/8 or ::1, as written in a URL (no lookup).
bool is_loopback_host(std::string_view host);

/// The API's base: https, or http to a loopback host only. No query, fragment or user info; a
/// trailing slash is dropped. Fails with invalid_request.
Result<std::string> check_api_url(std::string_view url);

/// A video's URL (or a hop on the way): https, or http to a loopback host if `api_is_loopback`.
/// Fails with bad_response; the message holds the redacted URL.
Status check_file_url(std::string_view url, bool api_is_loopback);

/// An IPv4 (4 bytes) or IPv6 (16 bytes) address in network order. False for everything that is
/// not globally reachable unicast: RFC 1918, loopback, link-local, CGNAT, ULA, multicast,
/// documentation, benchmarking, reserved; IPv4-mapped and NAT64 forms are judged by the address
/// within.
bool is_public_address(std::span<const std::uint8_t> address);
/// 127.0.0.0/8, ::1, and their mapped forms.
bool is_loopback_address(std::span<const std::uint8_t> address);

/// Scheme, host and path; query and fragment become `?…`, user info is dropped. For logs and
/// messages: an output URL's query is a secret.
std::string redact_url(std::string_view url);

/// Resolves `reference` (RFC 3986 §5) against `base`.
Result<std::string> resolve_url(std::string_view base, std::string_view reference);

}  // namespace veo
