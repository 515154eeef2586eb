// SPDX-License-Identifier: LGPL-2.1-or-later
#include "proxy.h"

#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "veo/core/error_table.h"
#include "veo/core/url_policy.h"

namespace veo::http {

namespace {

/// The proxy's URI with GLib's name of its scheme, and the credentials in it.
struct ProxyUri {
  std::string uri;
  Secret credentials;  ///< `USER:PASSWORD`, decoded; empty: the URI has no user
};

Result<ProxyUri> parse_proxy(const Network& network) {
  const auto refuse = [&](const std::string& why) {
    // The URI may hold a password, so no part of the URI is in the message.
    return fail({.code = ErrorCode::invalid_request,
                 .message = "The URI in " + network.proxy_name + " " + why +
                            " A proxy is written as http://USER:PASSWORD@HOST:PORT; instead of "
                            "http also https, socks4a, socks5 or socks5h. In USER and PASSWORD, "
                            "special characters are percent-encoded: @ is %40, # is %23, / is %2F, "
                            "% is %25. Nothing was sent, and nothing is paid."});
  };
  const GUriPtr uri(g_uri_parse(network.proxy.c_str(), G_URI_FLAGS_HAS_PASSWORD, nullptr));
  const char* host = uri ? g_uri_get_host(uri.get()) : nullptr;
  if (host == nullptr || *host == '\0') return refuse("is not a valid URI with a host.");
  // The rest of a password that has an @ would be a host's name, which is in messages.
  if (std::strchr(host, '@') != nullptr) return refuse("has more than one @.");

  std::string scheme = g_uri_get_scheme(uri.get());
  // GLib sends the host's name to a SOCKS 5 proxy in any case.
  if (scheme == "socks5h") scheme = "socks5";
  bool is_known = false;
  for (const char* known : {"http", "https", "socks4a", "socks5"}) is_known |= scheme == known;
  if (!is_known) return refuse("has a scheme that is not known.");

  ProxyUri parsed;
  parsed.uri = scheme + network.proxy.substr(network.proxy.find(':'));
  if (const char* user = g_uri_get_user(uri.get()); user != nullptr) {
    const char* password = g_uri_get_password(uri.get());
    parsed.credentials = Secret(std::string(user) + ":" + (password != nullptr ? password : ""));
  }
  return parsed;
}

/// The credentials, shared by the session and its messages.
using Credentials = std::shared_ptr<const Secret>;

template <class Function>
void connect_with(gpointer object, const char* signal, Function handler,
                  const Credentials& credentials) {
  g_signal_connect_data(
      object, signal, G_CALLBACK(handler), std::make_unique<Credentials>(credentials).release(),
      [](gpointer data, GClosure*) {
        const std::unique_ptr<Credentials> owned(static_cast<Credentials*>(data));
      },
      static_cast<GConnectFlags>(0));
}

void add_header(SoupMessage* message, const Credentials& credentials) {
  soup_message_headers_replace(soup_message_get_request_headers(message), "Proxy-Authorization",
                               Authorization::proxy_header(*credentials).c_str());
}

/// A request by plain http: only its connection tells whether a proxy gets it.
void handle_starting(SoupMessage* message, gpointer data) noexcept {
  auto* remote = soup_message_get_remote_address(message);
  const bool goes_to_proxy =
      remote != nullptr && G_IS_PROXY_ADDRESS(remote) &&
      std::strcmp(g_proxy_address_get_protocol(G_PROXY_ADDRESS(remote)), "http") == 0;
  if (goes_to_proxy) add_header(message, *static_cast<Credentials*>(data));
}

void handle_queued(SoupSession*, SoupMessage* message, gpointer data) noexcept {
  const auto& credentials = *static_cast<Credentials*>(data);
  if (std::strcmp(soup_message_get_method(message), SOUP_METHOD_CONNECT) == 0) {
    soup_message_disable_feature(message, SOUP_TYPE_AUTH_MANAGER);
    if (!credentials->empty()) add_header(message, credentials);
    return;
  }
  const char* scheme = g_uri_get_scheme(soup_message_get_uri(message));
  if (!credentials->empty() && std::strcmp(scheme, "http") == 0) {
    connect_with(message, "starting", handle_starting, credentials);
  }
}

Error make_refusal(std::string_view url, const std::string& how) {
  return {
      .code = ErrorCode::network,
      .message = "The proxy refuses the user and the password in its URI, or the URI has none (" +
                 how + "). Nothing was sent to " + redact_url(url) +
                 ", and nothing is paid. Write them into the option proxy (or https_proxy) as "
                 "http://USER:PASSWORD@HOST:PORT, with special characters percent-encoded.",
      .is_final = true};
}

}  // namespace

Result<GObjectPtr<GProxyResolver>> make_proxy_resolver(const Network& network) {
  if (network.proxy.empty()) return GObjectPtr<GProxyResolver>();
  auto parsed = parse_proxy(network);
  if (!parsed) return fail(std::move(parsed.error()));
  std::vector<const char*> spared;
  for (const auto& host : network.no_proxy) spared.push_back(host.c_str());
  spared.push_back(nullptr);
  // The function copies the list, although its prototype does not say const.
  auto** const spared_list = const_cast<gchar**>(spared.data());
  const char* general = network.is_proxy_for_http ? parsed->uri.c_str() : nullptr;
  GObjectPtr<GProxyResolver> resolver(g_simple_proxy_resolver_new(general, spared_list));
  g_simple_proxy_resolver_set_uri_proxy(G_SIMPLE_PROXY_RESOLVER(resolver.get()), "https",
                                        parsed->uri.c_str());
  return resolver;
}

bool is_proxied(const Network& network, const std::string& url) {
  const auto resolver = make_proxy_resolver(network);
  if (!resolver || !*resolver) return false;
  // A GSimpleProxyResolver answers from memory.
  const std::unique_ptr<char*, Deleter<g_strfreev>> found(
      g_proxy_resolver_lookup(resolver->get(), url.c_str(), nullptr, nullptr));
  return found && *found != nullptr && std::strcmp(*found, "direct://") != 0;
}

void authorize_at_proxy(SoupSession* session, const Network& network) {
  auto parsed = parse_proxy(network);
  if (!parsed) return;
  // The handler must run before the auth manager's own, which looks at once whether the message
  // disables the manager. So the manager is added again, behind the handler.
  soup_session_remove_feature_by_type(session, SOUP_TYPE_AUTH_MANAGER);
  connect_with(session, "request-queued", handle_queued,
               std::make_shared<const Secret>(std::move(parsed->credentials)));
  soup_session_add_feature_by_type(session, SOUP_TYPE_AUTH_MANAGER);
}

Error describe_proxy_answer(std::string_view url, unsigned status) {
  if (status == SOUP_STATUS_PROXY_AUTHENTICATION_REQUIRED) return make_refusal(url, "HTTP 407");
  return {.code = ErrorCode::network,
          .message = with_advice("The proxy did not connect to " + redact_url(url) + ": HTTP " +
                                     std::to_string(status) + ".",
                                 ErrorCode::network)};
}

std::optional<Error> describe_proxy_refusal(const GError& error, std::string_view url) {
  const bool is_refusal = g_error_matches(&error, G_IO_ERROR, G_IO_ERROR_PROXY_AUTH_FAILED) ||
                          g_error_matches(&error, G_IO_ERROR, G_IO_ERROR_PROXY_NEED_AUTH);
  if (!is_refusal) return std::nullopt;
  return make_refusal(url, error.message);
}

}  // namespace veo::http
