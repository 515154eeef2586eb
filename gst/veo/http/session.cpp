// SPDX-License-Identifier: LGPL-2.1-or-later
#include "session.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "proxy.h"
#include "veo/core/error_table.h"
#include "veo/core/retry.h"
#include "veo/core/url_policy.h"

namespace veo::http {

namespace {

constexpr unsigned idle_connection_lives = 60;  // seconds

/// Whether the file can be read at once, and to an end. A FIFO would hold up the I/O thread.
Status check_regular(const std::string& path) {
  const auto refuse = [](std::string why) { return fail({.message = std::move(why)}); };
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return refuse(std::strerror(errno));
  if (!S_ISREG(info.st_mode)) return refuse("it is not a regular file");
  return {};
}

Result<GObjectPtr<GTlsDatabase>> tls_database(const Network& network) {
  if (network.tls_database) {
    return GObjectPtr<GTlsDatabase>(G_TLS_DATABASE(g_object_ref(network.tls_database.get())));
  }
  // Without a TLS backend each https exchange fails with its own words.
  if (network.ssl_ca_file.empty() || find_missing_tls()) return GObjectPtr<GTlsDatabase>();
  // Make the name absolute: for a relative name GLib's backends only warn, and trust no
  // certificate.
  const GCharPtr path(g_canonicalize_filename(network.ssl_ca_file.c_str(), nullptr));
  auto readable = check_regular(path.get());
  if (readable) {
    ErrorSlot error;
    auto* database = g_tls_file_database_new(path.get(), error.out());
    if (database != nullptr) return GObjectPtr<GTlsDatabase>(database);
    readable = fail({.message = error.get()->message});
  }
  return fail({.code = ErrorCode::tls,
               .message = "The CA file " + network.ssl_ca_file + " (" + network.ca_name +
                          ") cannot be used: " + readable.error().message +
                          ". Name a readable PEM file there, or unset it to trust the system's "
                          "authorities. Nothing was sent."});
}

/// Whether the error is about a certificate, or about what the peers agree on. TLS also reports a
/// connection that broke, in the handshake (NOT_TLS) or later: an error of the network.
bool is_about_trust(const GError& error) {
  if (error.domain != G_TLS_ERROR) return false;
  switch (error.code) {
    case G_TLS_ERROR_NOT_TLS:
    case G_TLS_ERROR_EOF:
    case G_TLS_ERROR_MISC:
      return false;
    default:
      return true;
  }
}

}  // namespace

Result<GObjectPtr<SoupSession>> make_session(const Network& network, int connections_per_host) {
  auto database = tls_database(network);
  if (!database) return fail(std::move(database.error()));
  auto resolver = make_proxy_resolver(network);
  if (!resolver) return fail(std::move(resolver.error()));

  // A line break would begin another header.
  if (std::ranges::any_of(network.user_agent,
                          [](unsigned char c) { return c < 0x20 || c == 0x7F; })) {
    return fail({.code = ErrorCode::invalid_request,
                 .message = "user-agent has a control character, which no header may have. Nothing "
                            "was sent."});
  }
  const auto user_agent = network.user_agent.empty() ? "gst-veo/" VEO_VERSION : network.user_agent;
  GObjectPtr<SoupSession> session(soup_session_new_with_options(
      "user-agent", user_agent.c_str(), "timeout", 0U, "idle-timeout", idle_connection_lives,
      "max-conns", 1024, "max-conns-per-host", connections_per_host, nullptr));
  // Keep the auth manager, and disable it for each message. Without an auth manager libsoup gathers
  // the body of every 401 and 407 in memory, without a limit. Also disabled for each CONNECT, it
  // answers nothing: see proxy.h.
  for (const auto type : {SOUP_TYPE_CONTENT_DECODER, SOUP_TYPE_COOKIE_JAR,
                          SOUP_TYPE_CONTENT_SNIFFER, SOUP_TYPE_CACHE, SOUP_TYPE_HSTS_ENFORCER}) {
    soup_session_remove_feature_by_type(session.get(), type);
  }
  if (*resolver) authorize_at_proxy(session.get(), network);
  if (*database) soup_session_set_tls_database(session.get(), database->get());
  // Always set a resolver. The default one is the desktop's, which starts threads and D-Bus, and
  // those outlive the last session.
  soup_session_set_proxy_resolver(session.get(), resolver->get());
  return session;
}

std::optional<Error> find_missing_tls() {
  if (g_tls_backend_supports_tls(g_tls_backend_get_default()) != FALSE) return std::nullopt;
  return Error{.code = ErrorCode::tls,
               .message =
                   "GLib has no TLS backend on this machine, so https cannot work. Install "
                   "the package glib-networking; if it is installed, check GIO_USE_TLS and "
                   "GIO_MODULE_DIR, and GIO_EXTRA_MODULES. Nothing was sent."};
}

Error describe(const GError& error, std::string_view url) {
  if (auto refusal = describe_proxy_refusal(error, url)) return std::move(*refusal);
  const auto code = is_about_trust(error) ? ErrorCode::tls : ErrorCode::network;
  return {.code = code,
          .message = with_advice(
              "The exchange with " + redact_url(url) + " failed: " + error.message + ".", code)};
}

Error make_timeout(std::string_view url, std::string_view what, std::chrono::milliseconds after) {
  return {.code = ErrorCode::timeout,
          .message = "The exchange with " + redact_url(url) + " brought " + std::string(what) +
                     " for " + std::to_string(after.count() / 1000) + " s."};
}

bool set_header(SoupMessageHeaders* headers, const char* name, const std::string& value) {
  const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7F; };
  if (std::ranges::any_of(value, is_control)) return false;
  soup_message_headers_replace(headers, name, value.c_str());
  return read_header(headers, name) == value;
}

std::string read_header(SoupMessageHeaders* headers, const char* name) {
  const char* value = soup_message_headers_get_one(headers, name);
  return value != nullptr ? value : "";
}

std::optional<std::chrono::seconds> read_retry_after(SoupMessageHeaders* headers) {
  const auto text = read_header(headers, "Retry-After");
  if (text.empty()) return std::nullopt;
  if (const auto seconds = parse_delta_seconds(text)) return seconds;
  const GDateTimePtr date(soup_date_time_new_from_http_string(text.c_str()));
  if (!date) return std::nullopt;
  // The date is of the server's clock, and so is the answer's Date. The clock of this machine may
  // be wrong.
  GDateTimePtr now(soup_date_time_new_from_http_string(read_header(headers, "Date").c_str()));
  if (!now) now.reset(g_date_time_new_now_utc());
  const auto span = g_date_time_difference(date.get(), now.get());
  // Round up, so that no request is too early.
  return std::chrono::seconds(
      std::max<GTimeSpan>(0, (span + G_TIME_SPAN_SECOND - 1) / G_TIME_SPAN_SECOND));
}

}  // namespace veo::http
