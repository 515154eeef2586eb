// SPDX-License-Identifier: LGPL-2.1-or-later
//
// An exchange with the API.
//
//   start ─► (connect, proxy, TLS) ─► starting ─► got-headers ─► body … ─► answered
//            └── not begun: may end ──┘└── a POST has begun: nothing but its deadline ends it ──┘
//
// The signal `starting` is the only safe sign. libsoup emits it after the connection is made and
// before the first byte. A second `starting` means that libsoup is about to repeat the POST by
// itself (on HTTP/2, if the stream was refused or HTTP/1.1 required): the exchange ends there.
// libsoup would also repeat a POST after a 421, so the exchange ends with the head of a 421
// (exchange.cpp).
#include <array>
#include <utility>

#include "exchange.h"
#include "veo/core/error_table.h"
#include "veo/core/log.h"
#include "veo/core/url_policy.h"
#include "veo/system/exit_hold.h"

namespace veo::http {

namespace {

constexpr std::size_t max_answer = std::size_t{1} << 20U;

class Call final : public ExchangeState {
 public:
  Call(std::shared_ptr<IoThread> thread, SoupSession* session, const ApiCall& call,
       std::function<void(ApiAnswer)> answered)
      : ExchangeState(std::move(thread), session, call.url, call.idle_timeout),
        is_post_(call.method == "POST"),
        total_timeout_(call.total_timeout),
        key_(call.key),
        body_(call.body),
        is_enough_(call.is_enough),
        answered_(std::move(answered)) {}

  void start() {
    if (auto ready = prepare(); !ready) return finish_later(std::move(ready.error()));
    if (is_post_) {
      log::debug(log::Category::http, "#", number(), " POST ", log::url(url_), ", ", body_.size(),
                 " bytes of body");
    } else {
      limit_total();
      log::debug(log::Category::http, "#", number(), " GET ", log::url(url_));
    }
    send();
  }

  void cancel() override {
    answered_ = nullptr;
    if (is_over()) return;
    if (has_begun()) {
      log::debug(log::Category::http, "#", number(),
                 " has begun: nobody waits for its answer, and nothing cancels it");
      return;
    }
    log::debug(log::Category::http, "#", number(), " is cancelled after ", elapsed());
    // Without its key, a message that libsoup still has in its queue orders nothing.
    if (message_) soup_message_headers_clear(request_headers());
    close();
  }

  [[nodiscard]] bool has_begun() const override { return is_post_ && answer_.evidence.begun; }

 private:
  /// Makes the message.
  Status prepare() {
    if (!make_message(is_post_ ? "POST" : "GET")) {
      return fail(
          {.code = ErrorCode::bad_response, .message = redact_url(url_) + " is not an HTTP URL."});
    }
    // Without the header the service would answer 401, or do paid work for somebody else.
    if (!set_header(request_headers(), "Authorization", Authorization::header(key_))) {
      return fail({.code = ErrorCode::invalid_api_key,
                   .message = "The API key has a character that no header may have. Nothing was "
                              "sent."});
    }
    if (!is_post_) return {};
    // Use a new connection: an idle connection may be dead, which would leave the POST in doubt.
    soup_message_add_flags(message_.get(), SOUP_MESSAGE_NEW_CONNECTION);
    const GBytesPtr body(g_bytes_new(body_.data(), body_.size()));
    soup_message_set_request_body_from_bytes(message_.get(), "application/json", body.get());
    return {};
  }

  [[nodiscard]] bool is_http1_only() const override { return is_post_ && !offers_http2_; }
  void send_again() override {
    offers_http2_ = true;
    if (auto ready = prepare(); !ready) return finish_later(std::move(ready.error()));
    send();
  }

  void on_starting() override {
    auto& evidence = answer_.evidence;
    // The exit may have begun while the connection was made.
    if (is_post_ && !evidence.begun && has_exit_begun()) {
      soup_message_headers_clear(request_headers());
      return finish(
          Error{.code = ErrorCode::network,
                .message = "The process ends, so nothing was sent to " + redact_url(url_) + "."});
    }
    if (has_begun()) {
      evidence.second_start = true;
      // On HTTP/2 a cancellation keeps back the body only. Without its key, the head orders
      // nothing.
      soup_message_headers_clear(request_headers());
      return finish(Error{.code = ErrorCode::network,
                          .message = redact_url(url_) + " refused the request unread, and it was "
                                                        "not sent again."});
    }
    evidence.begun = true;
    if (is_post_) limit_total();
    note_progress();
  }

  void on_head() override {
    auto& evidence = answer_.evidence;
    evidence.got_head = true;
    evidence.status = status();
    evidence.retry_after = read_retry_after(response_headers());
    note_progress();
  }

  void on_answer() override { read(buffer_); }

  void on_received(std::size_t count) override {
    if (count == 0) return finish(std::nullopt);
    if (count > max_answer - answer_.body.size()) {
      return finish(Error{
          .code = ErrorCode::bad_response,
          .message = with_advice("The answer of " + redact_url(url_) + " is larger than 1 MiB.",
                                 ErrorCode::bad_response)});
    }
    answer_.body.append(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(count));
    if (is_enough_ && status() / 100 == 2 && is_enough_(answer_.body)) return finish(std::nullopt);
    note_progress();
    read(buffer_);
  }

  /// Restarts the idle deadline. A POST that has begun has none.
  void note_progress() {
    if (has_begun()) {
      idle_.cancel();
    } else {
      expect_progress();
    }
  }

  void limit_total() {
    total_.set(thread_, total_timeout_, [weak = weak_from_this(), this] {
      const auto self = weak.lock();
      if (self) finish(make_timeout(url_, "no whole answer", total_timeout_));
    });
  }

  void report(std::optional<Error> failure) override {
    auto& evidence = answer_.evidence;
    evidence.complete = !failure && evidence.got_head;
    if (evidence.complete) {
      log::debug(log::Category::http, "#", number(), " ends: ", answer_.body.size(), " bytes in ",
                 elapsed());
    }
    Authorization::erase(key_, answer_.body);
    evidence.failure = std::move(failure);
    if (evidence.failure) evidence.failure->http_status = evidence.status;
    if (const auto answered = std::exchange(answered_, nullptr)) answered(std::move(answer_));
  }

  const bool is_post_;
  const std::chrono::milliseconds total_timeout_;
  const Secret key_;
  const std::string body_;
  const std::function<bool(std::string_view)> is_enough_;
  bool offers_http2_ = false;
  std::function<void(ApiAnswer)> answered_;
  ApiAnswer answer_;
  std::array<std::uint8_t, 16384> buffer_;
};

}  // namespace

std::string Authorization::header(const Secret& key) {
  return std::string("Bearer ").append(key.reveal());
}

std::string Authorization::proxy_header(const Secret& credentials) {
  const auto text = credentials.reveal();
  const GCharPtr encoded(
      g_base64_encode(reinterpret_cast<const guchar*>(text.data()), text.size()));
  return std::string("Basic ").append(encoded.get());
}

void Authorization::erase(const Secret& key, std::string& answer) {
  constexpr std::size_t shortest = 8;
  const auto text = key.reveal();
  if (text.size() < shortest) return;
  for (auto at = answer.find(text); at != std::string::npos; at = answer.find(text, at)) {
    answer.replace(at, text.size(), text.size(), '*');
  }
}

std::shared_ptr<ExchangeState> start_call(std::shared_ptr<IoThread> thread, SoupSession* session,
                                          const ApiCall& call,
                                          std::function<void(ApiAnswer)> answered) {
  auto exchange = std::make_shared<Call>(std::move(thread), session, call, std::move(answered));
  exchange->start();
  return exchange;
}

}  // namespace veo::http
