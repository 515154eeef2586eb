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
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "veo/core/address.h"
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

/// Whether `host`, in the form of Origin::host, is `localhost`, `*.localhost` (RFC 6761, section
/// 6.3), in 127.0.0.0/8, or ::1. No name is resolved here. GLib itself resolves such names to
/// loopback addresses, and asks no resolver.
bool is_loopback_host(std::string_view host);
/// Whether `url` is a URL with a loopback host. Services on loopback hosts are simulators, and
/// their credits are play money.
bool is_loopback_url(std::string_view url);

/// A list of hosts, which the user writes as `simulator,build.example:8080,[fd00::1]:80`.
class HostList {
 public:
  /// Parses the list; an empty text is an empty list. An item without a port means every port.
  /// `name` is the option or variable that has the text. Fails with invalid_request; the message
  /// shows the right form.
  static Result<HostList> parse(std::string_view name, std::string_view text);

  [[nodiscard]] bool contains(const Origin& origin) const;
  bool operator==(const HostList&) const = default;

 private:
  struct Item {
    std::string host;
    std::optional<std::uint16_t> port;
    bool operator==(const Item&) const = default;
  };
  std::vector<Item> items_;
};

/// Checks the base URL of the API. It must be https, or http to a loopback host or to a host of
/// `http_hosts`, and must not have a query, a fragment or user info. Returns the URL with the
/// spelling of its Origin and without slashes at its end, so that one service has one name. Fails
/// with invalid_request; the message contains the redacted URL.
Result<std::string> check_api_url(std::string_view url, const HostList& http_hosts = {});

/// Whether the key and the prompts go to this API in plain text over a network: by http, and not to
/// a loopback host.
bool is_plain_http(std::string_view api_url);

/// Which file hosts gst-veo connects to. Public addresses are always allowed.
struct FilePolicy {
  /// The API is on a loopback host, so loopback hosts are allowed, by http and https.
  bool api_is_loopback = false;
  AddressRanges allowed_addresses;  ///< of `allow-addresses`
  /// Hosts that may send a file by http. Empty unless the API itself is plain http.
  HostList http_hosts;
  /// The API is plain http, so an address of `allowed_addresses` may send a file by http, too.
  bool api_is_plain_http = false;

  /// Makes the policy for an API's checked URL from the values of `allow-addresses` and
  /// `allow-http`. Fails with invalid_request if one of them cannot be parsed.
  static Result<FilePolicy> make(std::string_view api_url, std::string_view allow_addresses,
                                 std::string_view allow_http);
  bool operator==(const FilePolicy&) const = default;
};

/// Checks the URL of a video, or of a redirect on the way to it. It must be https to a host outside
/// this machine, or be allowed by the policy. If the host is an address, the address must be
/// allowed. A host name is not resolved here: the transport checks the connected address. Fails
/// with bad_response; the message contains the redacted URL.
Status check_file_url(std::string_view url, const FilePolicy& policy);

/// Whether a file host may have this address.
bool is_allowed_address(const Address& address, const FilePolicy& policy);

/// Makes a URL fit for logs and messages, where the query of a video's URL is a secret. The result
/// has the scheme, the host, the port and the path. The query and the fragment become `?…`, and the
/// user info is left out. Any text may be passed; a text that is not a URL is redacted by the same
/// rules. The result is printable UTF-8 of at most 200 bytes; `…` marks a longer one.
std::string redact_url(std::string_view url);

/// Resolves `reference` against `base` (RFC 3986, section 5). The result is not checked: call
/// check_file_url(). Fails with bad_response if either is not valid.
Result<std::string> resolve_url(std::string_view base, std::string_view reference);

}  // namespace veo
