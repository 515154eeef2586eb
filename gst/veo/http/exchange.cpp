// SPDX-License-Identifier: LGPL-2.1-or-later
#include "exchange.h"

#include <atomic>
#include <cassert>
#include <utility>

#include "proxy.h"
#include "veo/core/log.h"
#include "veo/core/url_policy.h"
#include "veo/system/exit_hold.h"

namespace veo::http {

namespace {

std::uint64_t next_number() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

/// Whether a handshake of this connection would offer HTTP/2 to the server.
bool offers_http2(GTlsConnection* connection) {
  char** names = nullptr;
  g_object_get(connection, "advertised-protocols", &names, nullptr);
  const std::unique_ptr<char*, Deleter<g_strfreev>> offered(names);
  return names != nullptr && g_strv_contains(names, "h2") != FALSE;
}

}  // namespace

ExchangeState::ExchangeState(std::shared_ptr<IoThread> thread, SoupSession* session,
                             std::string url, std::chrono::milliseconds idle_timeout)
    : thread_(std::move(thread)),
      url_(std::move(url)),
      number_(next_number()),
      session_(SOUP_SESSION(g_object_ref(session))),
      idle_timeout_(idle_timeout) {
  assert(IoThread::is_io_thread());
}

ExchangeState::~ExchangeState() { drop_message(); }

bool ExchangeState::make_message(const char* method) {
  drop_message();
  started_ = is_in_signal_ = has_head_ = has_trailers_ = is_reading_ = false;
  is_limited_ = is_refused_ = false;
  const GUriPtr uri(
      g_uri_parse(url_.c_str(), static_cast<GUriFlags>(SOUP_HTTP_URI_FLAGS), nullptr));
  if (!uri) return false;
  message_.reset(soup_message_new_from_uri(method, uri.get()));
  if (!message_) return false;
  cancellable_.reset(g_cancellable_new());
  soup_message_add_flags(
      message_.get(),
      static_cast<SoupMessageFlags>(SOUP_MESSAGE_NO_REDIRECT | SOUP_MESSAGE_DO_NOT_USE_AUTH_CACHE));
  soup_message_disable_feature(message_.get(), SOUP_TYPE_AUTH_MANAGER);
  g_signal_connect(message_.get(), "network-event", G_CALLBACK(&handle_network_event), this);
  g_signal_connect(message_.get(), "starting", G_CALLBACK(&handle_starting), this);
  g_signal_connect(message_.get(), "got-headers", G_CALLBACK(&handle_head), this);
  g_signal_connect(message_.get(), "restarted", G_CALLBACK(&handle_restarted), nullptr);
  // Ask for no content coding, because the received bytes are counted and checked.
  soup_message_headers_replace(request_headers(), "Accept-Encoding", "identity");
  return true;
}

void ExchangeState::drop_message() {
  if (!message_) return;
  g_signal_handlers_disconnect_by_data(message_.get(), this);
  message_.reset();
}

std::chrono::milliseconds ExchangeState::elapsed() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(IoThread::Clock::now() - sent_at_);
}

void ExchangeState::send() {
  sent_at_ = IoThread::Clock::now();
  if (has_exit_begun()) {
    return finish_later(
        {.code = ErrorCode::network,
         .message = "The process ends, so nothing was sent to " + redact_url(url_) + "."});
  }
  if (url_.starts_with("https:")) {
    if (auto missing = find_missing_tls()) return finish_later(std::move(*missing));
  }
  expect_progress();
  soup_session_send_async(session_.get(), message_.get(), G_PRIORITY_DEFAULT, cancellable_.get(),
                          async_done<&ExchangeState::finish_send, ExchangeState>,
                          keep(shared_from_this()));
}

void ExchangeState::finish_send(GObject*, GAsyncResult* result) {
  ErrorSlot error;
  stream_.reset(soup_session_send_finish(session_.get(), result, error.out()));
  if (over_) return stream_.reset();
  note_sign_of_life();
  if (error && needs_other_protocol(*error.get())) {
    log::debug(log::Category::http, "#", number_,
               " did not get HTTP/1.1 from the server: it offers all protocols now");
    return send_again();
  }
  if (error) return finish(describe(*error.get(), url_));
  if (started_) return on_answer();
  // If a proxy refuses the CONNECT, libsoup ends the message with the proxy's status.
  finish(describe_proxy_answer(url_, status()));
}

bool ExchangeState::needs_other_protocol(const GError& error) const {
  if (started_ || !is_limited_ || !is_http1_only()) return false;
  // A server that finds no common protocol may also end the handshake with an alert. GLib has no
  // code for alerts. Other errors, such as a reset, do not depend on the protocol.
  return is_refused_ || g_error_matches(&error, G_TLS_ERROR, G_TLS_ERROR_MISC);
}

void ExchangeState::read(std::span<std::uint8_t> buffer) {
  is_reading_ = true;
  if (has_trailers_) end_after_trailers();
  g_input_stream_read_async(
      stream_.get(), buffer.data(), buffer.size(), G_PRIORITY_DEFAULT, cancellable_.get(),
      async_done<&ExchangeState::finish_read, ExchangeState>, keep(shared_from_this()));
}

void ExchangeState::finish_read(GObject* source, GAsyncResult* result) {
  ErrorSlot error;
  // Use `source`, because stream_ is null after the end of the exchange.
  const auto count = g_input_stream_read_finish(G_INPUT_STREAM(source), result, error.out());
  is_reading_ = false;
  if (over_) return;
  note_sign_of_life();
  if (error) return finish(describe_failure(*error.get()));
  on_received(static_cast<std::size_t>(count));
}

void ExchangeState::expect_progress() {
  idle_.set(thread_, idle_timeout_, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self) self->finish(make_timeout(self->url_, "nothing", self->idle_timeout_));
  });
}

// On HTTP/2, libsoup 3.2 does not see that trailers end the body, and would read for ever. All
// bytes of the body are in libsoup by then, so the body ends when no more can be read at once.
void ExchangeState::end_after_trailers() {
  idle_.set(thread_, std::chrono::milliseconds(0), [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->on_received(0);
  });
}

void ExchangeState::note_sign_of_life() { total_.note_sign_of_life(); }

void ExchangeState::finish(std::optional<Error> failure) {
  if (over_) return;
  if (failure) {
    log::warning(log::Category::http, "#", number_, " failed after ", elapsed(), ": ", *failure);
  }
  close();
  report(std::move(failure));
}

void ExchangeState::finish_later(Error failure) {
  thread_->post(
      [self = shared_from_this(), failure = std::move(failure)] { self->finish(failure); });
}

void ExchangeState::close() {
  over_ = true;
  idle_.cancel();
  total_.cancel();
  cancel_message();
  stream_.reset();
  drop_message();
  thread_.reset();
}

// libsoup 3.2 sends a GET again by itself if the connection that it used again was closed. If a
// cancellation comes between the two attempts, libsoup reports the end of each, and the second
// report is a CRITICAL (async_send_request_return_result: item->task != NULL). So a GET that has
// started is cancelled when the loop is idle, because libsoup is between no two steps then.
// Everything else must be cancelled at once: a message that has not started, so that it does not
// start; and a message in its own signal, and a POST, so that libsoup does not send it again.
void ExchangeState::cancel_message() {
  if (!cancellable_) return;
  const bool is_post =
      message_ && std::string_view(soup_message_get_method(message_.get())) == "POST";
  if (!started_ || is_in_signal_ || is_post) return g_cancellable_cancel(cancellable_.get());
  const std::unique_ptr<GSource, Deleter<g_source_unref>> idle(g_idle_source_new());
  g_source_set_priority(idle.get(), G_PRIORITY_LOW);
  g_source_set_callback(
      idle.get(),
      [](gpointer cancellable) {
        g_cancellable_cancel(G_CANCELLABLE(cancellable));
        return G_SOURCE_REMOVE;
      },
      cancellable_.release(), g_object_unref);
  g_source_attach(idle.get(), g_main_context_get_thread_default());
}

// A POST goes over HTTP/1.1, because libsoup loses answers on HTTP/2: a graceful GOAWAY before the
// complete answer (until libsoup 3.7), or a reset after it, ends the message without its body.
// libsoup 3.2 has no switch for the protocol, but it hands out the TLS connection before the
// handshake. libsoup offers no HTTP/2 through an http proxy, and before 3.6 through no proxy.
void ExchangeState::on_handshake(GSocketClientEvent event, GTlsConnection* connection) {
  if (!is_http1_only()) return;
  if (event == G_SOCKET_CLIENT_TLS_HANDSHAKING) {
    is_limited_ = offers_http2(connection);
    const char* const protocols[] = {"http/1.1", nullptr};
    if (is_limited_) g_tls_connection_set_advertised_protocols(connection, protocols);
  } else if (is_limited_ && g_tls_connection_get_negotiated_protocol(connection) == nullptr) {
    // The server may speak HTTP/2 only. Nothing is sent yet, and finish_send() offers HTTP/2, too.
    is_refused_ = true;
    g_cancellable_cancel(cancellable_.get());
  }
}

void ExchangeState::handle_network_event(SoupMessage*, GSocketClientEvent event,
                                         GIOStream* connection, gpointer data) noexcept {
  const auto self = static_cast<ExchangeState*>(data)->shared_from_this();
  self->note_sign_of_life();
  self->expect_progress();
  const bool is_handshake =
      event == G_SOCKET_CLIENT_TLS_HANDSHAKING || event == G_SOCKET_CLIENT_TLS_HANDSHAKED;
  if (is_handshake && G_IS_TLS_CONNECTION(connection)) {
    return self->on_handshake(event, G_TLS_CONNECTION(connection));
  }
  if (event != G_SOCKET_CLIENT_CONNECTED || !G_IS_SOCKET_CONNECTION(connection)) return;
  const GObjectPtr<GSocketAddress> remote(
      g_socket_connection_get_remote_address(G_SOCKET_CONNECTION(connection), nullptr));
  log::trace(log::Category::http, "#", self->number_, " has a connection");
  self->on_connected(remote.get());
}

// libsoup sends a GET again by itself if the connection that it used again was closed. If another
// idle connection takes the second attempt at once, before libsoup has seen the end of the first,
// libsoup until 3.6.5 ends the message twice, and frees memory that it still uses. A new connection
// is never ready at once. The other idle connections of the host are probably closed, too.
void ExchangeState::handle_restarted(SoupMessage* message, gpointer) noexcept {
  soup_message_add_flags(message, SOUP_MESSAGE_NEW_CONNECTION);
}

void ExchangeState::handle_starting(SoupMessage*, gpointer data) noexcept {
  const auto self = static_cast<ExchangeState*>(data)->shared_from_this();
  self->started_ = self->is_in_signal_ = true;
  self->has_head_ = self->has_trailers_ = false;
  self->note_sign_of_life();
  log::trace(log::Category::http, "#", self->number_, " starts: its bytes may leave from now on");
  self->on_starting();
  self->is_in_signal_ = false;
}

void ExchangeState::handle_head(SoupMessage*, gpointer data) noexcept {
  const auto self = static_cast<ExchangeState*>(data)->shared_from_this();
  self->note_sign_of_life();
  if (std::exchange(self->has_head_, true)) {
    // libsoup emits the signal for trailers, too.
    self->has_trailers_ = true;
    if (self->is_reading_) self->end_after_trailers();
    return;
  }
  log::debug(log::Category::http, "#", self->number_, " answer: HTTP ", self->status(), " after ",
             self->elapsed());
  self->is_in_signal_ = true;
  self->on_head();
  // End here: libsoup would send the request again by itself after it has gathered this body.
  if (!self->over_ && self->status() == SOUP_STATUS_MISDIRECTED_REQUEST) {
    self->finish(Error{.code = ErrorCode::network,
                       .message = "The server that was reached does not answer for " +
                                  redact_url(self->url_) + " (HTTP 421).",
                       .http_status = SOUP_STATUS_MISDIRECTED_REQUEST});
  }
  self->is_in_signal_ = false;
}

}  // namespace veo::http
