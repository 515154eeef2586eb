// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/url_policy.h"
#include "veo/core/owned_text.h"

#include <glib.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>

namespace veo {
namespace {

struct UriUnref {
  void operator()(GUri* uri) const { g_uri_unref(uri); }
};
using Uri = std::unique_ptr<GUri, UriUnref>;

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
  if (text == "localhost" || text.ends_with(".localhost")) return true;
  const auto address = parse_address(text);
  return address && is_loopback_address(address->view());
}

bool is_loopback_url(std::string_view url) {
  const auto origin = parse_origin(url);
  return origin && is_loopback_host(origin->host);
}

Result<HostList> HostList::parse(std::string_view name, std::string_view text) {
  const auto refuse = [&](std::string_view item) {
    return fail({.code = ErrorCode::invalid_request,
                 .message = std::string(name) + " has the item \"" +
                            make_printable(std::string(item), 60) +
                            "\", which is not a host. Write host names, separated by commas and "
                            "with or without a port, as in simulator,build.example:8080. Nothing "
                            "was sent."});
  };
  HostList made;
  if (text.find_first_not_of(" \t") == std::string_view::npos) return made;
  for (std::size_t at = 0; at <= text.size();) {
    const auto comma = std::min(text.find(',', at), text.size());
    auto item = text.substr(at, comma - at);
    at = comma + 1;
    item.remove_prefix(std::min(item.find_first_not_of(" \t"), item.size()));
    item = item.substr(0, item.find_last_not_of(" \t") + 1);
    Item host;
    if (parse_address(item)) {
      host.host = to_lower(item);
    } else {
      // GUri parses the item as it parses URLs, so the spelling is the same.
      const bool has_more = item.find_first_of("/?#@") != std::string_view::npos;
      const auto origin =
          find_origin(has_more ? nullptr : veo::parse("http://" + std::string(item)).get());
      if (!origin) return refuse(item);
      host.host = origin->host;
      const auto colon = item.find_last_of(":]");
      if (colon != std::string_view::npos && item[colon] == ':') host.port = origin->port;
    }
    made.items_.push_back(std::move(host));
  }
  return made;
}

bool HostList::contains(const Origin& origin) const {
  return std::ranges::any_of(items_, [&](const Item& item) {
    return item.host == origin.host && (!item.port || *item.port == origin.port);
  });
}

Result<std::string> check_api_url(std::string_view url, const HostList& http_hosts) {
  const auto no = [&](const char* why) {
    return refuse(ErrorCode::invalid_request, "The API's URL", url, why);
  };
  const auto uri = parse(url);
  const auto origin = find_origin(uri.get());
  if (!origin) return no(origin.error());
  if (origin->scheme != "https" && !is_loopback_host(origin->host) &&
      !http_hosts.contains(*origin)) {
    return no(
        "it must be https, or http to a loopback address or to a host that allow-http "
        "(VEO_ALLOW_HTTP) names, since the key goes there");
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

bool is_plain_http(std::string_view api_url) {
  const auto origin = find_origin(parse(api_url).get());
  return origin && origin->scheme == "http" && !is_loopback_host(origin->host);
}

Result<FilePolicy> FilePolicy::make(std::string_view api_url, std::string_view allow_addresses,
                                    std::string_view allow_http) {
  auto ranges = AddressRanges::parse("allow-addresses", allow_addresses);
  if (!ranges) return fail(std::move(ranges.error()));
  auto hosts = HostList::parse("allow-http", allow_http);
  if (!hosts) return fail(std::move(hosts.error()));
  const auto origin = find_origin(parse(api_url).get());
  const bool is_plain = is_plain_http(api_url);
  return FilePolicy{.api_is_loopback = origin && is_loopback_host(origin->host),
                    .allowed_addresses = std::move(*ranges),
                    .http_hosts = is_plain ? std::move(*hosts) : HostList(),
                    .api_is_plain_http = is_plain};
}

Status check_file_url(std::string_view url, const FilePolicy& policy) {
  const auto no = [&](const char* why) {
    return refuse(ErrorCode::bad_response, "The video's URL", url, why);
  };
  const auto origin = find_origin(parse(url).get());
  if (!origin) return no(origin.error());
  const auto address = parse_address(origin->host);
  const bool is_named_by_user = address && policy.allowed_addresses.contains(*address);
  if (is_loopback_host(origin->host)) {
    if (policy.api_is_loopback) return {};
    const bool is_allowed =
        address ? is_named_by_user : policy.allowed_addresses.contains_loopback();
    if (!is_allowed) return no("it points to this machine");
  }
  const bool may_be_http =
      policy.http_hosts.contains(*origin) || (policy.api_is_plain_http && is_named_by_user);
  if (origin->scheme != "https" && !may_be_http) return no("it is not https");
  if (!address || is_allowed_address(*address, policy)) return {};
  auto refused =
      refuse(ErrorCode::bad_response, "The video's URL", url, "its address is not a public one");
  refused.value().message += " " + explain_refused_addresses(origin->host, {&*address, 1});
  refused.value().remedy = "allow-addresses=" + suggest_ranges({&*address, 1});
  return refused;
}

bool is_allowed_address(const Address& address, const FilePolicy& policy) {
  return is_public_address(address.view()) || policy.allowed_addresses.contains(address) ||
         (policy.api_is_loopback && is_loopback_address(address.view()));
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
