// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Connections through a proxy, and the proxy's password. Who speaks to the proxy depends on the
// proxy's scheme:
//
//   http                    libsoup: CONNECT for an https URL, the request itself for an http URL
//   https, socks4a, socks5  GLib, before libsoup has the connection; GLib sends the password
//
// Each of these proxies gets the name of the host and resolves it. So the connected address is the
// proxy's, and gst-veo learns no address of the host.
//
// libsoup's own way to authenticate cannot be used. libsoup waits for a 407 and repeats the
// request, and then a POST leaves without its body, or CONNECT goes to the proxy's own address. So
// the password goes out with the first request, and a 407 is final.
#pragma once

#include <libsoup/soup.h>

#include <string>

#include "glib_ptr.h"
#include "veo/core/result.h"
#include "veo/http/transport.h"

namespace veo::http {

/// Makes the resolver for the network's proxy; null: there is no proxy. Fails with invalid_request
/// if the proxy's URI is not of a kind that is known.
Result<GObjectPtr<GProxyResolver>> make_proxy_resolver(const Network& network);

/// Whether a connection to `url` goes through the network's proxy.
bool is_proxied(const Network& network, const std::string& url);

/// Lets the session send the password in the proxy's URI to an http proxy, and only there.
void authorize_at_proxy(SoupSession* session, const Network& network);

/// Describes the proxy's answer to a CONNECT that did not open a tunnel.
Error describe_proxy_answer(std::string_view url, unsigned status);
/// Describes a SOCKS or https proxy's refusal of the password. nullopt: the error is another one.
std::optional<Error> describe_proxy_refusal(const GError& error, std::string_view url);

}  // namespace veo::http
