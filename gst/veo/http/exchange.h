// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <libsoup/soup.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "glib_ptr.h"
#include "session.h"
#include "veo/http/transport.h"

namespace veo::http {

/// What both kinds of exchange share: one message at a time, its signals, its deadlines, and one
/// end. Kept alive by the asynchronous call that is under way, and by its handle. I/O thread only.
///
///   send ─► connected ─► starting ─► got_headers ─► sent ─► read ─► received … ─► received(0)
///     └──────────┴───────────┴────────────┴───────────┴───────┴─► finish ─► report
///
/// A cancelled libsoup 3.2 may stay silent: a message in its queue, or one that waits for its head
/// on HTTP/2, does not see its GCancellable. So finish() never waits for libsoup. What comes from
/// it later finds the exchange over.
class ExchangeState : public std::enable_shared_from_this<ExchangeState> {
 public:
  virtual ~ExchangeState();
  ExchangeState(const ExchangeState&) = delete;
  ExchangeState& operator=(const ExchangeState&) = delete;

  /// The handle is gone: nobody listens any more.
  virtual void cancel() = 0;
  [[nodiscard]] virtual bool begun() const { return false; }
  virtual void resume() {}

 protected:
  ExchangeState(std::shared_ptr<IoThread> thread, SoupSession* session, std::string url,
                std::chrono::milliseconds idle_timeout);

  /// A connection stands, and has carried nothing yet. Not for a connection that is used again.
  virtual void connected(GSocketAddress* /*remote*/) {}
  /// The request is the next thing to be written.
  virtual void starting() = 0;
  virtual void got_headers() = 0;
  /// The head is here, and the body may be read.
  virtual void sent() = 0;
  /// `count` bytes are in the buffer of read(); 0: the body has ended.
  virtual void received(std::size_t count) = 0;
  virtual Error broken(const GError& error) const { return describe(error, url_); }
  /// The exchange is over: tells the handler. Once.
  virtual void report(std::optional<Error> failure) = 0;

  /// A new message for url_. False: that is no URL.
  bool make_message(const char* method);
  void send();
  /// `buffer` lives as long as the exchange.
  void read(std::span<std::uint8_t> buffer);
  /// Restarts the deadline for the next sign of life.
  void expect_progress();
  /// It is us who keep the peer waiting.
  void expect_nothing() { idle_.cancel(); }
  void finish(std::optional<Error> failure);
  /// The same from the main loop: nobody expects to be told inside the call that asks.
  void finish_later(Error failure);
  /// finish() without telling.
  void close();

  SoupMessageHeaders* request_headers() const {
    return soup_message_get_request_headers(message_.get());
  }
  SoupMessageHeaders* response_headers() const {
    return soup_message_get_response_headers(message_.get());
  }
  [[nodiscard]] unsigned status() const { return soup_message_get_status(message_.get()); }
  [[nodiscard]] bool is_over() const { return over_; }
  /// Names the exchange in the log, where `#12` is on the line of each of its events.
  [[nodiscard]] std::uint64_t number() const { return number_; }
  /// Since the last send().
  [[nodiscard]] std::chrono::milliseconds elapsed() const;

  std::shared_ptr<IoThread> thread_;  // until the end: it runs as long as an exchange does
  std::string url_;
  GObjectPtr<SoupMessage> message_;
  IoThread::Timer idle_;
  IoThread::Timer total_;

 private:
  void drop_message();
  void on_sent(GObject* source, GAsyncResult* result);
  void on_read(GObject* source, GAsyncResult* result);
  static void on_network_event(SoupMessage*, GSocketClientEvent event, GIOStream* connection,
                               gpointer self) noexcept;
  static void on_starting(SoupMessage*, gpointer self) noexcept;
  static void on_got_headers(SoupMessage*, gpointer self) noexcept;

  const std::uint64_t number_;
  IoThread::Clock::time_point sent_at_{};
  const GObjectPtr<SoupSession> session_;
  const std::chrono::milliseconds idle_timeout_;
  GObjectPtr<GCancellable> cancellable_;
  GObjectPtr<GInputStream> stream_;
  bool started_ = false;  // the message
  bool over_ = false;
};

/// Starts an exchange. The result is the handle's content.
std::shared_ptr<ExchangeState> start_call(std::shared_ptr<IoThread> thread, SoupSession* session,
                                          const ApiCall& call,
                                          std::function<void(ApiAnswer)> answered);
std::shared_ptr<ExchangeState> start_fetch(std::shared_ptr<IoThread> thread, SoupSession* session,
                                           FileFetch fetch, FileHandler handler);

}  // namespace veo::http
