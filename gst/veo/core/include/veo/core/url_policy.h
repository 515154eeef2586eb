// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which URLs and addresses we talk to, and how URLs may be shown.
//
// URLs are parsed by GUri as libsoup has it do, so that what is checked here is what is connected
// to. Beyond RFC 3986, no URL may have spaces, control characters, backslashes, user info, port 0,
// an IPv6 zone, or a host that a resolver would take for an address in disguise (`0x7f.1`).
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
  std::string host;  ///< in ASCII (punycode); IPv6 without brackets
  std::uint16_t port = 0;
  bool operator==(const Origin&) const = default;
};

/// Fails with bad_response on what is not an absolute http(s) URL with a host, or has user info.
Result<Origin> parse_origin(std::string_view url);

/// `localhost`, 127.0.0.0/8 or ::1, as an Origin has it (no lookup).
bool is_loopback_host(std::string_view host);

/// The API's base: https, or http to a loopback host only. No query, fragment or user info. Comes
/// back with its Origin's spelling and without trailing slashes, so that one service has one name.
/// Fails with invalid_request; the message holds the redacted URL.
Result<std::string> check_api_url(std::string_view url);

/// A video's URL (or a hop on the way): https, or http to a loopback host if `api_is_loopback`. A
/// host that is an address must be a public one, or, with `api_is_loopback`, a loopback one; what a
/// name stands for is seen only when it is connected to. Fails with bad_response; the message holds
/// the redacted URL.
Status check_file_url(std::string_view url, bool api_is_loopback);

/// An IPv4 (4 bytes) or IPv6 (16 bytes) address in network order. False for everything that is
/// not globally reachable unicast: RFC 1918, loopback, link-local, CGNAT, ULA, multicast,
/// documentation, benchmarking, reserved; IPv4-mapped and NAT64 forms are judged by the address
/// within.
bool is_public_address(std::span<const std::uint8_t> address);
/// 127.0.0.0/8, ::1, and their mapped forms.
bool is_loopback_address(std::span<const std::uint8_t> address);

/// Scheme, host, port and path; query and fragment become `?…`, user info is dropped. For logs and
/// messages: an output URL's query is a secret. Takes anything: what is no URL is treated with the
/// same suspicion. Printable UTF-8 without control or format characters, 200 bytes and `…` at most.
std::string redact_url(std::string_view url);

/// Resolves `reference` (RFC 3986 §5) against `base`. Whether the result may be used is another
/// question: check_file_url(). Fails with bad_response.
Result<std::string> resolve_url(std::string_view base, std::string_view reference);

}  // namespace veo
