// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <libsoup/soup.h>

#include <optional>
#include <string>
#include <string_view>

#include "glib_ptr.h"
#include "veo/core/result.h"
#include "veo/http/transport.h"

namespace veo::http {

/// Makes a session that does nothing by itself: it has no cookies, no cache, no sniffing and no
/// decoding of contents, and it authenticates only to a proxy, by the proxy's own URI (proxy.h).
/// The exchanges have the deadlines. I/O thread only.
Result<GObjectPtr<SoupSession>> make_session(const Network& network, int connections_per_host);

/// Returns the error of an https exchange if GLib has no TLS backend.
std::optional<Error> find_missing_tls();

/// Describes a failed exchange, with the code network or tls. The text names the URL's scheme, host
/// and path, never its query.
Error describe(const GError& error, std::string_view url);
/// Describes an exchange that has missed one of our deadlines.
Error make_timeout(std::string_view url, std::string_view what, std::chrono::milliseconds after);

/// Sets a header of a request. False: the header is not there, because no header can carry the
/// value. A line break would begin another header, and libsoup drops such a value with a warning.
[[nodiscard]] bool set_header(SoupMessageHeaders* headers, const char* name,
                              const std::string& value);
/// Returns the value of a header that may occur once; empty if it is not there.
std::string read_header(SoupMessageHeaders* headers, const char* name);

/// Returns the value of Retry-After (RFC 9110 §10.2.3), in either form, as a delay from now.
std::optional<std::chrono::seconds> read_retry_after(SoupMessageHeaders* headers);

}  // namespace veo::http
