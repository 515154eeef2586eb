// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <libsoup/soup.h>

#include <string>
#include <string_view>

#include "glib_ptr.h"
#include "veo/core/result.h"
#include "veo/http/transport.h"

namespace veo::http {

/// A session with nothing in it that acts by itself: no cookies, cache, sniffing or decoding of
/// contents, and authentication only of a CONNECT to a proxy, by the proxy's own URI. Deadlines are
/// the exchanges' own. I/O thread only.
Result<GObjectPtr<SoupSession>> make_session(const Network& network, int connections_per_host);

/// A failed exchange as an Error, code network or tls. Names scheme, host and path of the URL,
/// never its query.
Error describe(const GError& error, std::string_view url);
/// The same for a deadline of ours.
Error timed_out(std::string_view url, std::string_view what, std::chrono::milliseconds after);

/// A header of which only one value makes sense; empty where there is none.
std::string header_of(SoupMessageHeaders* headers, const char* name);

/// Retry-After (RFC 9110 §10.2.3), in either form, as a delay from now.
std::optional<std::chrono::seconds> retry_after_of(SoupMessageHeaders* headers);

}  // namespace veo::http
