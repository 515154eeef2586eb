// SPDX-License-Identifier: LGPL-2.1-or-later
#include "webhook_connection.h"

#include <utility>

#include "veo/http/webhook_listener.h"

namespace veo::http {

namespace {

constexpr std::string_view too_large =
    "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

WebhookConnection& connection(gpointer self) { return *static_cast<WebhookConnection*>(self); }

}  // namespace

WebhookConnection::WebhookConnection(IoThread& thread, GObjectPtr<GSocketConnection> stream,
                                     std::function<void()> ended)
    : thread_(thread), stream_(std::move(stream)), ended_(std::move(ended)) {}

WebhookConnection::~WebhookConnection() { close({}); }

void WebhookConnection::serve(SoupServer* server) {
  const GObjectPtr<GSocketAddress> local(
      g_socket_connection_get_local_address(stream_.get(), nullptr));
  const GObjectPtr<GSocketAddress> remote(
      g_socket_connection_get_remote_address(stream_.get(), nullptr));
  if (!local || !remote) return end();  // the peer has gone already
  deadline_ = thread_.after(webhook_limits::head_within, [this] { end(); });
  // libsoup begins a message within this call. It may also end the message, which destroys this
  // object.
  const auto started = g_signal_connect(server, "request-started", G_CALLBACK(&on_started), this);
  soup_server_accept_iostream(server, G_IO_STREAM(stream_.get()), local.get(), remote.get(),
                              nullptr);
  g_signal_handler_disconnect(server, started);
}

void WebhookConnection::end(std::string_view last_words) {
  close(last_words);
  // Copy the function, because it destroys this object, and the member with it.
  const auto ended = ended_;
  ended();
}

void WebhookConnection::close(std::string_view last_words) {
  deadline_.cancel();
  if (!message_) return;
  const auto message = std::exchange(message_, nullptr);
  g_signal_handlers_disconnect_by_data(message.get(), this);
  // Take the connection from libsoup, which would otherwise read all available bytes first.
  const GObjectPtr<GIOStream> stolen(soup_server_message_steal_connection(message.get()));
  auto* stream = G_IO_STREAM(stream_.get());
  if (!last_words.empty()) {
    g_pollable_output_stream_write_nonblocking(
        G_POLLABLE_OUTPUT_STREAM(g_io_stream_get_output_stream(stream)), last_words.data(),
        last_words.size(), nullptr, nullptr);
  }
  g_io_stream_close(stream, nullptr, nullptr);
}

void WebhookConnection::on_started(SoupServer*, SoupServerMessage* message,
                                   gpointer self) noexcept {
  connection(self).message_.reset(SOUP_SERVER_MESSAGE(g_object_ref(message)));
  soup_message_body_set_accumulate(soup_server_message_get_request_body(message), FALSE);
  soup_message_headers_replace(soup_server_message_get_response_headers(message), "Connection",
                               "close");
  g_signal_connect(message, "got-headers", G_CALLBACK(&on_head), self);
  g_signal_connect(message, "got-chunk", G_CALLBACK(&on_chunk), self);
  g_signal_connect(message, "disconnected", G_CALLBACK(&on_disconnected), self);
}

void WebhookConnection::on_head(SoupServerMessage* message, gpointer data) noexcept {
  auto& self = connection(data);
  const auto length =
      soup_message_headers_get_content_length(soup_server_message_get_request_headers(message));
  if (std::cmp_greater(length, webhook_limits::body_size)) return self.end(too_large);
  self.deadline_ = self.thread_.after(webhook_limits::body_within, [&self] { self.end(); });
}

void WebhookConnection::on_chunk(SoupServerMessage*, GBytes* chunk, gpointer data) noexcept {
  auto& self = connection(data);
  self.received_ += g_bytes_get_size(chunk);
  if (self.received_ > webhook_limits::body_size) self.end(too_large);
}

void WebhookConnection::on_disconnected(SoupServerMessage*, gpointer data) noexcept {
  auto& self = connection(data);
  g_signal_handlers_disconnect_by_data(self.message_.get(), &self);
  self.message_.reset();
  self.end();
}

}  // namespace veo::http
