// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <libsoup/soup.h>

#include <functional>
#include <string_view>

#include "glib_ptr.h"
#include "veo/http/io_thread.h"

namespace veo::http {

/// A connection to the webhook listener, for one request. libsoup reads the request and answers it;
/// this class keeps the limits. I/O thread only.
///
///   serve ──► head ──► body … ──► answered, closed ──► ended
///     └─────────┴────────┴─ too late, too large: end() ──┘
class WebhookConnection {
 public:
  /// `ended` is called once, and destroys this object.
  WebhookConnection(IoThread& thread, GObjectPtr<GSocketConnection> stream,
                    std::function<void()> ended);
  /// Closes the connection, unless it has ended.
  ~WebhookConnection();
  WebhookConnection(const WebhookConnection&) = delete;
  WebhookConnection& operator=(const WebhookConnection&) = delete;

  /// Serves the request. The connection may end before this call returns.
  void serve(SoupServer* server);

 private:
  void end(std::string_view last_words = {});
  void close(std::string_view last_words);
  static void on_started(SoupServer*, SoupServerMessage* message, gpointer self) noexcept;
  static void on_head(SoupServerMessage* message, gpointer self) noexcept;
  static void on_chunk(SoupServerMessage*, GBytes* chunk, gpointer self) noexcept;
  static void on_disconnected(SoupServerMessage*, gpointer self) noexcept;

  IoThread& thread_;
  const GObjectPtr<GSocketConnection> stream_;
  const std::function<void()> ended_;
  GObjectPtr<SoupServerMessage> message_;
  IoThread::Timer deadline_;
  std::size_t received_ = 0;  // of the body
};

}  // namespace veo::http
