// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <libsoup/soup.h>

#include <memory>
#include <string>
#include <utility>

#include "glib_ptr.h"
#include "session.h"
#include "veo/http/transport.h"

namespace veo::http {

/// What both kinds of exchange share: one message at a time, its signals, and its deadlines. Kept
/// alive by the asynchronous call that is under way, and by its handle.
class ExchangeState : public std::enable_shared_from_this<ExchangeState> {
 public:
  ExchangeState(std::shared_ptr<IoThread> thread, SoupSession* session)
      : thread_(std::move(thread)), session_(SOUP_SESSION(g_object_ref(session))) {}
  virtual ~ExchangeState() { drop_message(); }
  ExchangeState(const ExchangeState&) = delete;
  ExchangeState& operator=(const ExchangeState&) = delete;

  /// The handle is gone: nobody listens any more.
  virtual void cancel() = 0;
  [[nodiscard]] virtual bool begun() const { return false; }

 protected:
  virtual void starting() = 0;
  virtual void got_headers() = 0;

  /// A new message, with our signals and a fresh cancellable. False: `url` is none.
  bool make_message(const char* method, const std::string& url) {
    drop_message();
    const GUriPtr uri(
        g_uri_parse(url.c_str(), static_cast<GUriFlags>(SOUP_HTTP_URI_FLAGS), nullptr));
    if (!uri) return false;
    message_.reset(soup_message_new_from_uri(method, uri.get()));
    if (!message_) return false;
    cancellable_.reset(g_cancellable_new());
    soup_message_add_flags(message_.get(),
                           static_cast<SoupMessageFlags>(SOUP_MESSAGE_NO_REDIRECT |
                                                         SOUP_MESSAGE_DO_NOT_USE_AUTH_CACHE));
    g_signal_connect(message_.get(), "starting", G_CALLBACK(&on_starting), this);
    g_signal_connect(message_.get(), "got-headers", G_CALLBACK(&on_got_headers), this);
    // What arrives is what is counted and checked: no coding on the way.
    soup_message_headers_replace(request_headers(), "Accept-Encoding", "identity");
    return true;
  }

  void drop_message() {
    if (!message_) return;
    g_signal_handlers_disconnect_by_data(message_.get(), this);
    message_.reset();
  }

  /// Ends what libsoup has under way. Its callback still comes, and drops the last reference.
  void abort() {
    idle_.cancel();
    total_.cancel();
    if (cancellable_) g_cancellable_cancel(cancellable_.get());
  }

  SoupMessageHeaders* request_headers() const {
    return soup_message_get_request_headers(message_.get());
  }
  SoupMessageHeaders* response_headers() const {
    return soup_message_get_response_headers(message_.get());
  }
  [[nodiscard]] unsigned status() const { return soup_message_get_status(message_.get()); }

  const std::shared_ptr<IoThread> thread_;
  const GObjectPtr<SoupSession> session_;
  GObjectPtr<SoupMessage> message_;
  GObjectPtr<GCancellable> cancellable_;
  GObjectPtr<GInputStream> stream_;
  IoThread::Timer idle_;
  IoThread::Timer total_;

 private:
  static void on_starting(SoupMessage*, gpointer self) noexcept {
    static_cast<ExchangeState*>(self)->starting();
  }
  static void on_got_headers(SoupMessage*, gpointer self) noexcept {
    static_cast<ExchangeState*>(self)->got_headers();
  }
};

/// Starts an exchange. The result is the handle's content.
std::shared_ptr<ExchangeState> start_call(std::shared_ptr<IoThread> thread, SoupSession* session,
                                          ApiCall call, std::function<void(ApiAnswer)> answered);
std::shared_ptr<ExchangeState> start_fetch(std::shared_ptr<IoThread> thread, SoupSession* session,
                                           bool proxied, FileFetch fetch, FileHandler handler);

}  // namespace veo::http
