// SPDX-License-Identifier: LGPL-2.1-or-later
#include "exchange.h"

#include <atomic>
#include <cassert>
#include <utility>

#include "proxy.h"
#include "veo/core/log.h"
#include "veo/core/url_policy.h"

namespace veo::http {

namespace {

std::uint64_t next_number() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
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
  started_ = false;
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
  if (error) return finish(describe(*error.get(), url_));
  if (started_) return on_answer();
  // If a proxy refuses the CONNECT, libsoup ends the message with the proxy's status.
  finish(describe_proxy_answer(url_, status()));
}

void ExchangeState::read(std::span<std::uint8_t> buffer) {
  g_input_stream_read_async(
      stream_.get(), buffer.data(), buffer.size(), G_PRIORITY_DEFAULT, cancellable_.get(),
      async_done<&ExchangeState::finish_read, ExchangeState>, keep(shared_from_this()));
}

void ExchangeState::finish_read(GObject* source, GAsyncResult* result) {
  ErrorSlot error;
  // Use `source`, because stream_ is null after the end of the exchange.
  const auto count = g_input_stream_read_finish(G_INPUT_STREAM(source), result, error.out());
  if (over_) return;
  if (error) return finish(describe_failure(*error.get()));
  on_received(static_cast<std::size_t>(count));
}

void ExchangeState::expect_progress() {
  idle_ = thread_->after(idle_timeout_, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self) self->finish(make_timeout(self->url_, "nothing", self->idle_timeout_));
  });
}

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
  if (cancellable_) g_cancellable_cancel(cancellable_.get());
  stream_.reset();
  drop_message();
  thread_.reset();
}

void ExchangeState::handle_network_event(SoupMessage*, GSocketClientEvent event,
                                         GIOStream* connection, gpointer data) noexcept {
  const auto self = static_cast<ExchangeState*>(data)->shared_from_this();
  self->expect_progress();
  if (event != G_SOCKET_CLIENT_CONNECTED || !G_IS_SOCKET_CONNECTION(connection)) return;
  const GObjectPtr<GSocketAddress> remote(
      g_socket_connection_get_remote_address(G_SOCKET_CONNECTION(connection), nullptr));
  log::trace(log::Category::http, "#", self->number_, " has a connection");
  self->on_connected(remote.get());
}

void ExchangeState::handle_starting(SoupMessage*, gpointer data) noexcept {
  const auto self = static_cast<ExchangeState*>(data)->shared_from_this();
  self->started_ = true;
  log::trace(log::Category::http, "#", self->number_, " starts: its bytes may leave from now on");
  self->on_starting();
}

void ExchangeState::handle_head(SoupMessage*, gpointer data) noexcept {
  const auto self = static_cast<ExchangeState*>(data)->shared_from_this();
  log::debug(log::Category::http, "#", self->number_, " answer: HTTP ", self->status(), " after ",
             self->elapsed());
  self->on_head();
  // End here: libsoup would send the request again by itself after it has gathered this body.
  if (!self->over_ && self->status() == SOUP_STATUS_MISDIRECTED_REQUEST) {
    self->finish(Error{.code = ErrorCode::network,
                       .message = "The server that was reached does not answer for " +
                                  redact_url(self->url_) + " (HTTP 421).",
                       .http_status = SOUP_STATUS_MISDIRECTED_REQUEST});
  }
}

}  // namespace veo::http
