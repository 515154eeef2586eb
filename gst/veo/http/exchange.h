// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <libsoup/soup.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "deadline.h"
#include "glib_ptr.h"
#include "session.h"
#include "veo/http/transport.h"

namespace veo::http {

/// The base of both kinds of exchange: one message at a time, the message's signals, its deadlines,
/// and one end. The pending asynchronous call and the handle keep an exchange alive. I/O thread
/// only.
///
///   send ─► on_connected ─► on_starting ─► on_head ─► on_answer ─► read ─► on_received … (0)
///     └───────────┴──────────────┴───────────┴────────────┴─────────┴─► finish ─► report
///
/// libsoup 3.2 may stay silent after a cancellation: a message in its queue, or a message that
/// waits for its head on HTTP/2, does not see its GCancellable. So finish() never waits for
/// libsoup, and an event that comes later finds that the exchange is over.
class ExchangeState : public std::enable_shared_from_this<ExchangeState> {
 public:
  virtual ~ExchangeState();
  ExchangeState(const ExchangeState&) = delete;
  ExchangeState& operator=(const ExchangeState&) = delete;

  /// Called when the handle is destroyed: from then on the exchange calls no handler.
  virtual void cancel() = 0;
  [[nodiscard]] virtual bool has_begun() const { return false; }
  virtual void resume() {}

 protected:
  ExchangeState(std::shared_ptr<IoThread> thread, SoupSession* session, std::string url,
                std::chrono::milliseconds idle_timeout);

  /// Called for a new connection, which has carried nothing yet. Not called for a connection that
  /// is used again.
  virtual void on_connected(GSocketAddress* /*remote*/) {}
  /// Called when the request is about to be written.
  virtual void on_starting() = 0;
  /// Called when the answer's head has arrived.
  virtual void on_head() = 0;
  /// Called when libsoup has taken the head, and the body can be read.
  virtual void on_answer() = 0;
  /// Called when `count` bytes are in the buffer of read(); 0: the body has ended.
  virtual void on_received(std::size_t count) = 0;
  virtual Error describe_failure(const GError& error) const { return describe(error, url_); }
  /// Whether TLS offers HTTP/1.1 alone to the server. If the server does not choose HTTP/1.1,
  /// send_again() is called, before anything is sent.
  [[nodiscard]] virtual bool is_http1_only() const { return false; }
  /// Makes the message anew, without is_http1_only(), and calls send().
  virtual void send_again() {}
  /// Tells the handler that the exchange is over. Called once.
  virtual void report(std::optional<Error> failure) = 0;

  /// Makes a new message for url_. False: url_ is no URL.
  bool make_message(const char* method);
  void send();
  /// Reads into `buffer`, which must live as long as the exchange.
  void read(std::span<std::uint8_t> buffer);
  /// Restarts the deadline for the next sign of life.
  void expect_progress();
  /// Stops the deadline, because the peer waits for this side.
  void expect_nothing() { idle_.cancel(); }
  void finish(std::optional<Error> failure);
  /// Does the same, but from the main loop, because a caller does not expect a handler to run
  /// inside the call that starts the exchange.
  void finish_later(Error failure);
  /// Ends the exchange without report().
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
  /// Returns the time since the last send().
  [[nodiscard]] std::chrono::milliseconds elapsed() const;

  std::shared_ptr<IoThread>
      thread_;  // until the end, so that the thread runs as long as the exchange
  std::string url_;
  GObjectPtr<SoupMessage> message_;
  Deadline idle_;
  Deadline total_;

 private:
  void drop_message();
  void cancel_message();
  /// Whether the handshake has failed because the server does not speak HTTP/1.1.
  [[nodiscard]] bool needs_other_protocol(const GError& error) const;
  void on_handshake(GSocketClientEvent event, GTlsConnection* connection);
  void note_sign_of_life();
  void end_after_trailers();
  void finish_send(GObject* source, GAsyncResult* result);
  void finish_read(GObject* source, GAsyncResult* result);
  static void handle_network_event(SoupMessage*, GSocketClientEvent event, GIOStream* connection,
                                   gpointer self) noexcept;
  static void handle_restarted(SoupMessage*, gpointer) noexcept;
  static void handle_starting(SoupMessage*, gpointer self) noexcept;
  static void handle_head(SoupMessage*, gpointer self) noexcept;

  const std::uint64_t number_;
  IoThread::Clock::time_point sent_at_{};
  const GObjectPtr<SoupSession> session_;
  const std::chrono::milliseconds idle_timeout_;
  GObjectPtr<GCancellable> cancellable_;
  GObjectPtr<GInputStream> stream_;
  // Of the message:
  bool started_ = false;
  bool is_in_signal_ = false;  // `starting` or `got-headers` is being handled
  bool has_head_ = false;
  bool has_trailers_ = false;
  bool is_reading_ = false;
  bool is_limited_ = false;  // the handshake offers HTTP/1.1 in place of libsoup's list with HTTP/2
  bool is_refused_ = false;  // the server did not choose HTTP/1.1
  bool over_ = false;
};

/// Starts an exchange. The result is the handle's content.
std::shared_ptr<ExchangeState> start_call(std::shared_ptr<IoThread> thread, SoupSession* session,
                                          const ApiCall& call,
                                          std::function<void(ApiAnswer)> answered);
std::shared_ptr<ExchangeState> start_fetch(std::shared_ptr<IoThread> thread, SoupSession* session,
                                           FileFetch fetch, FileHandler handler);

}  // namespace veo::http
