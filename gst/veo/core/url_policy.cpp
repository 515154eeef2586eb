// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/url_policy.h"

#include <arpa/inet.h>
#include <glib.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

namespace veo {
namespace {

struct UriUnref {
  void operator()(GUri* uri) const { g_uri_unref(uri); }
};
struct Free {
  void operator()(char* text) const { g_free(text); }
};
using Uri = std::unique_ptr<GUri, UriUnref>;
using OwnedText = std::unique_ptr<char, Free>;

// The flags of SOUP_HTTP_URI_FLAGS. SCHEME_NORMALIZE fills in the default ports of http and https.
constexpr auto uri_flags = static_cast<GUriFlags>(
    G_URI_FLAGS_HAS_PASSWORD | G_URI_FLAGS_ENCODED_PATH | G_URI_FLAGS_ENCODED_QUERY |
    G_URI_FLAGS_ENCODED_FRAGMENT | G_URI_FLAGS_SCHEME_NORMALIZE);

/// Whether other parsers may read the URL in another way than GUri: for some, the host of
/// `http://a\@b` is a, and for others it is b.
bool is_ambiguous(std::string_view url) {
  return std::ranges::any_of(url, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte <= 0x20 || byte == 0x7f || c == '\\';
  });
}

Uri parse(std::string_view url) {
  if (is_ambiguous(url)) return nullptr;
  return Uri(g_uri_parse(std::string(url).c_str(), uri_flags, nullptr));
}

struct Address {
  std::array<std::uint8_t, 16> bytes{};
  std::size_t size = 0;
  [[nodiscard]] std::span<const std::uint8_t> view() const { return std::span(bytes).first(size); }
};

/// Parses an IPv4 address of four decimal numbers, or an IPv6 address in a form of RFC 4291.
/// Refuses the octal, hexadecimal and shortened forms that inet_aton() accepts.
std::optional<Address> parse_address(const std::string& host) {
  if (host.find('\0') != std::string::npos) return std::nullopt;
  Address address;
  if (inet_pton(AF_INET, host.c_str(), address.bytes.data()) == 1) {
    address.size = 4;
  } else if (inet_pton(AF_INET6, host.c_str(), address.bytes.data()) == 1) {
    address.size = 16;
  } else {
    return std::nullopt;
  }
  return address;
}

/// Whether the last label begins with a digit. No top-level domain does, so the host is no name;
/// inet_aton() may read it as an address.
bool has_numeric_end(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  host.remove_prefix(host.rfind('.') + 1);  // npos + 1 is 0
  return !host.empty() && g_ascii_isdigit(host.front());
}

bool is_host(const std::string& host) {
  if (parse_address(host)) return true;
  const bool clean = std::ranges::all_of(
      host, [](char c) { return g_ascii_isalnum(c) || c == '-' || c == '.' || c == '_'; });
  return clean && !host.empty() && host.front() != '.' && !has_numeric_end(host);
}

std::string to_lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), g_ascii_tolower);
  return result;
}

/// Finds the origin of an http or https URL, or the reason why it has none.
tl::expected<Origin, const char*> find_origin(GUri* uri) {
  const auto no = [](const char* why) { return tl::unexpected<const char*>(why); };
  if (uri == nullptr) return no("it is not a valid URL");
  Origin origin;
  origin.scheme = g_uri_get_scheme(uri);
  if (origin.scheme != "http" && origin.scheme != "https") {
    return no("it is neither http nor https");
  }
  if (g_uri_get_userinfo(uri) != nullptr) return no("it contains a user's name");
  const char* host = g_uri_get_host(uri);
  if (host == nullptr || *host == '\0') return no("it names no host");
  origin.host = to_lower(host);
  if (!is_host(origin.host)) return no("its host is neither a name nor an address");
  origin.port = static_cast<std::uint16_t>(g_uri_get_port(uri));
  if (origin.port == 0) return no("port 0 does not exist");
  return origin;
}

auto refuse(ErrorCode code, std::string_view what, std::string_view url, const char* why) {
  Error error;
  error.code = code;
  error.message.append(what).append(" (").append(redact_url(url)).append(") cannot be used: ");
  error.message.append(why).append(".");
  return fail(std::move(error));
}

/// The addresses that have the same first `bits` bits as `prefix`.
template <std::size_t Size>
struct Block {
  std::array<std::uint8_t, Size> prefix;
  unsigned bits;

  [[nodiscard]] bool contains(std::span<const std::uint8_t> address) const {
    const auto bytes = bits / 8;
    if (!std::equal(prefix.begin(), prefix.begin() + bytes, address.begin())) return false;
    const auto mask = static_cast<std::uint8_t>(0xff00U >> bits % 8);
    return bytes == Size || ((prefix[bytes] ^ address[bytes]) & mask) == 0;
  }
};

template <std::size_t Size, std::size_t Count>
bool is_in(const Block<Size> (&blocks)[Count], std::span<const std::uint8_t> address) {
  return std::ranges::any_of(blocks, [&](const auto& block) { return block.contains(address); });
}

// The blocks of the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890) that are not
// globally reachable, and multicast. Some addresses within a block are reachable (anycast services
// of the IETF in 192.0.0.0/24 and 2001::/23). They host no videos, so the complete block is
// refused.
constexpr Block<4> not_public_v4[] = {
    {{0, 0, 0, 0}, 8},        // this network, RFC 791
    {{10, 0, 0, 0}, 8},       // private use, RFC 1918
    {{100, 64, 0, 0}, 10},    // shared, CGNAT, RFC 6598
    {{127, 0, 0, 0}, 8},      // loopback, RFC 1122
    {{169, 254, 0, 0}, 16},   // link-local, RFC 3927; clouds keep their metadata there
    {{172, 16, 0, 0}, 12},    // private use, RFC 1918
    {{192, 0, 0, 0}, 24},     // IETF protocol assignments, RFC 6890
    {{192, 0, 2, 0}, 24},     // documentation, RFC 5737
    {{192, 88, 99, 0}, 24},   // 6to4 relays, deprecated by RFC 7526
    {{192, 168, 0, 0}, 16},   // private use, RFC 1918
    {{198, 18, 0, 0}, 15},    // benchmarking, RFC 2544
    {{198, 51, 100, 0}, 24},  // documentation, RFC 5737
    {{203, 0, 113, 0}, 24},   // documentation, RFC 5737
    {{224, 0, 0, 0}, 4},      // multicast, RFC 5771
    {{240, 0, 0, 0}, 4},      // reserved and limited broadcast, RFC 1112 and 919
};
// IANA allocates global unicast addresses only from this block. Outside it are: unspecified,
// loopback, IPv4-compatible, discard-only (100::/64), local NAT64 (64:ff9b:1::/48), SRv6
// (5f00::/16), unique local (fc00::/7), link-local (fe80::/10), site-local (fec0::/10), multicast
// (ff00::/8).
constexpr Block<16> global_unicast_v6{{0x20}, 3};
constexpr Block<16> not_public_v6[] = {
    {{0x20, 0x01, 0x00, 0x00}, 23},  // IETF protocol assignments with Teredo, RFC 2928
    {{0x20, 0x01, 0x0d, 0xb8}, 32},  // documentation, RFC 3849
    {{0x20, 0x02}, 16},              // 6to4, RFC 3056: contains any IPv4 address
    {{0x3f, 0xff}, 20},              // documentation, RFC 9637
};
constexpr Block<16> mapped_v4{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96};  // RFC 4291
constexpr Block<16> nat64{{0x00, 0x64, 0xff, 0x9b}, 96};                        // RFC 6052
constexpr Block<4> loopback_v4{{127}, 8};
constexpr Block<16> loopback_v6{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128};

/// Makes the text printable UTF-8, and cuts it to `limit` bytes.
std::string make_printable(const std::string& text, std::size_t limit) {
  const OwnedText valid(g_utf8_make_valid(text.data(), static_cast<gssize>(text.size())));
  std::string shown;
  for (const char* c = valid.get(); *c != '\0'; c = g_utf8_next_char(c)) {
    const auto size = static_cast<std::size_t>(g_utf8_next_char(c) - c);
    if (shown.size() + size > limit) return shown + "…";
    if (g_unichar_isprint(g_utf8_get_char(c))) {
      shown.append(c, size);
    } else {
      shown += '?';
    }
  }
  return shown;
}

/// Removes the user info: the text before the `@` of the authority.
std::string remove_user_info(std::string_view text, bool is_url) {
  const auto slashes = text.find("//");
  const auto start = slashes == std::string_view::npos ? 0 : slashes + 2;
  const auto end = is_url ? text.find('/', start) : std::string_view::npos;
  const auto at = text.substr(0, end).rfind('@');
  if (at == std::string_view::npos || at < start) return std::string(text);
  return std::string(text.substr(0, start)).append(text.substr(at + 1));
}

}  // namespace

Result<Origin> parse_origin(std::string_view url) {
  auto origin = find_origin(parse(url).get());
  if (!origin) return refuse(ErrorCode::bad_response, "The URL", url, origin.error());
  return std::move(*origin);
}

bool is_loopback_host(std::string_view host) {
  const auto text = to_lower(host);
  if (text == "localhost") return true;
  const auto address = parse_address(text);
  return address && is_loopback_address(address->view());
}

bool is_loopback_url(std::string_view url) {
  const auto origin = parse_origin(url);
  return origin && is_loopback_host(origin->host);
}

Result<std::string> check_api_url(std::string_view url) {
  const auto no = [&](const char* why) {
    return refuse(ErrorCode::invalid_request, "The API's URL", url, why);
  };
  const auto uri = parse(url);
  const auto origin = find_origin(uri.get());
  if (!origin) return no(origin.error());
  if (origin->scheme != "https" && !is_loopback_host(origin->host)) {
    return no("it must be https, or http to a loopback address, since the key goes there");
  }
  if (g_uri_get_query(uri.get()) != nullptr || g_uri_get_fragment(uri.get()) != nullptr) {
    return no("it must end with its path");
  }
  const auto default_port = origin->scheme == "https" ? 443 : 80;
  const OwnedText joined(g_uri_join(uri_flags, origin->scheme.c_str(), nullptr,
                                    origin->host.c_str(),
                                    origin->port == default_port ? -1 : origin->port,
                                    g_uri_get_path(uri.get()), nullptr, nullptr));
  std::string base = joined.get();
  base.erase(base.find_last_not_of('/') + 1);
  return base;
}

Status check_file_url(std::string_view url, bool api_is_loopback) {
  const auto no = [&](const char* why) {
    return refuse(ErrorCode::bad_response, "The video's URL", url, why);
  };
  const auto origin = find_origin(parse(url).get());
  if (!origin) return no(origin.error());
  if (is_loopback_host(origin->host)) {
    if (api_is_loopback) return {};
    return no("it points to this machine");
  }
  if (origin->scheme != "https") return no("it is not https");
  const auto address = parse_address(origin->host);
  if (address && !is_public_address(address->view())) return no("its address is not a public one");
  return {};
}

bool is_public_address(std::span<const std::uint8_t> address) {
  if (address.size() == 4) return !is_in(not_public_v4, address);
  if (address.size() != 16) return false;
  if (mapped_v4.contains(address) || nat64.contains(address)) {
    return is_public_address(address.last(4));
  }
  return global_unicast_v6.contains(address) && !is_in(not_public_v6, address);
}

bool is_loopback_address(std::span<const std::uint8_t> address) {
  if (address.size() == 4) return loopback_v4.contains(address);
  if (address.size() != 16) return false;
  if (mapped_v4.contains(address)) return is_loopback_address(address.last(4));
  return loopback_v6.contains(address);
}

std::string redact_url(std::string_view url) {
  const bool is_url = parse(url) != nullptr;
  const auto head = url.substr(0, url.find_first_of("?#"));
  const auto rest = url.substr(head.size());
  // If the URL is broken, an `@` after a `?` may be part of the query, or the end of a password.
  if (!is_url && rest.find('@') != std::string_view::npos) return "…";
  return make_printable(remove_user_info(head, is_url), 200) + (rest.empty() ? "" : "?…");
}

Result<std::string> resolve_url(std::string_view base, std::string_view reference) {
  OwnedText resolved;
  if (!is_ambiguous(base) && !is_ambiguous(reference)) {
    resolved.reset(g_uri_resolve_relative(std::string(base).c_str(), std::string(reference).c_str(),
                                          uri_flags, nullptr));
  }
  if (!resolved) {
    return refuse(ErrorCode::bad_response, "The link", reference, "it is not a valid URL");
  }
  return std::string(resolved.get());
}

}  // namespace veo
