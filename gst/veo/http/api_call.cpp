// SPDX-License-Identifier: LGPL-2.1-or-later
//
// An exchange with the API.
//
//   start ─► (connect, proxy, TLS) ─► starting ─► got-headers ─► body … ─► answered
//            └── not begun: may end ──┘└── a POST has begun: nothing but its deadline ends it ──┘
//
// MONEY.md, "What a submission's end means": `starting` is the only safe sign. It comes after the
// connection stands and before the first byte; a second one means that libsoup is about to repeat
// the POST by itself (421), and is stopped in it.
#include <algorithm>
#include <array>

#include "exchange.h"
#include "veo/core/error_table.h"
#include "veo/core/url_policy.h"

namespace veo::http {

namespace {

constexpr std::size_t max_answer = std::size_t{1} << 20U;

class Call final : public ExchangeState {
 public:
  Call(std::shared_ptr<IoThread> thread, SoupSession* session, ApiCall call,
       std::function<void(ApiAnswer)> answered)
      : ExchangeState(std::move(thread), session),
        call_(std::move(call)),
        answered_(std::move(answered)),
        is_post_(call_.method == "POST") {}

  void start() {
    if (!make_message(call_.method.c_str(), call_.url)) {
      // Told later, as everything: nobody expects an answer inside the call that asks.
      thread_->post([self = self()] {
        self->finish(Error{.code = ErrorCode::bad_response,
                           .message = redact_url(self->call_.url) + " is not an HTTP URL."});
      });
      return;
    }
    soup_message_headers_replace(request_headers(), "Authorization",
                                 Authorization::header(call_.key).c_str());
    call_.key = {};
    if (is_post_) {
      // Not on a connection that was idle: one that died unseen would leave the POST in doubt.
      soup_message_add_flags(message_.get(), SOUP_MESSAGE_NEW_CONNECTION);
      const GBytesPtr body(g_bytes_new(call_.body.data(), call_.body.size()));
      soup_message_set_request_body_from_bytes(message_.get(), "application/json", body.get());
    } else {
      limit_total();
    }
    limit_idle();
    soup_session_send_async(session_.get(), message_.get(), G_PRIORITY_DEFAULT, cancellable_.get(),
                            async_done<&Call::sent, Call>, keep(self()));
  }

  void cancel() override {
    answered_ = nullptr;
    if (!begun()) abort();
  }

  [[nodiscard]] bool begun() const override { return is_post_ && answer_.evidence.begun; }

 private:
  std::shared_ptr<Call> self() { return std::static_pointer_cast<Call>(shared_from_this()); }

  void starting() override {
    auto& evidence = answer_.evidence;
    if (evidence.begun && is_post_) {
      evidence.second_start = true;
      abort();
      return;
    }
    evidence.begun = true;
    if (!is_post_) return limit_idle();
    idle_.cancel();
    limit_total();
  }

  void got_headers() override {
    auto& evidence = answer_.evidence;
    // Before `starting` it is a proxy that answers; after a second one, the first answer counts.
    if (!evidence.begun || evidence.got_head) return;
    evidence.got_head = true;
    evidence.status = status();
    evidence.retry_after = retry_after_of(response_headers());
    if (!is_post_) limit_idle();
  }

  void sent(GObject*, GAsyncResult* result) {
    ErrorSlot error;
    stream_.reset(soup_session_send_finish(session_.get(), result, error.out()));
    if (error) return finish(describe(*error.get(), call_.url));
    if (!answer_.evidence.begun) {
      return finish(
          Error{.code = ErrorCode::network,
                .message = with_advice("The proxy did not connect to " + redact_url(call_.url) +
                                           ": HTTP " + std::to_string(status()) + ".",
                                       ErrorCode::network)});
    }
    read();
  }

  void read() {
    g_input_stream_read_async(stream_.get(), buffer_.data(), buffer_.size(), G_PRIORITY_DEFAULT,
                              cancellable_.get(), async_done<&Call::got, Call>, keep(self()));
  }

  void got(GObject*, GAsyncResult* result) {
    ErrorSlot error;
    const auto count = g_input_stream_read_finish(stream_.get(), result, error.out());
    if (error) return finish(describe(*error.get(), call_.url));
    if (count == 0) return finish(std::nullopt);
    const auto size = static_cast<std::size_t>(count);
    if (size > max_answer - answer_.body.size()) {
      return finish(Error{.code = ErrorCode::bad_response,
                          .message = with_advice(
                              "The answer of " + redact_url(call_.url) + " is larger than 1 MiB.",
                              ErrorCode::bad_response)});
    }
    answer_.body.append(buffer_.data(), size);
    if (!is_post_) limit_idle();
    read();
  }

  void limit_idle() {
    idle_ = thread_->after(call_.idle_timeout, [weak = std::weak_ptr(self())] {
      if (const auto self = weak.lock()) self->expire("nothing", self->call_.idle_timeout);
    });
  }

  void limit_total() {
    total_ = thread_->after(call_.total_timeout, [weak = std::weak_ptr(self())] {
      if (const auto self = weak.lock()) self->expire("no whole answer", self->call_.total_timeout);
    });
  }

  void expire(const char* what, std::chrono::milliseconds after) {
    expired_ = timed_out(call_.url, what, after);
    abort();
  }

  void finish(std::optional<Error> failure) {
    idle_.cancel();
    total_.cancel();
    if (expired_) failure = std::move(expired_);
    auto& evidence = answer_.evidence;
    evidence.whole = !failure && evidence.got_head && !evidence.second_start;
    evidence.failure = std::move(failure);
    if (evidence.failure && !evidence.failure->http_status) {
      evidence.failure->http_status = evidence.status;
    }
    stream_.reset();
    drop_message();
    if (const auto answered = std::exchange(answered_, nullptr)) answered(std::move(answer_));
  }

  ApiCall call_;
  std::function<void(ApiAnswer)> answered_;
  const bool is_post_;
  ApiAnswer answer_;
  std::optional<Error> expired_;
  std::array<char, 16384> buffer_;
};

}  // namespace

std::string Authorization::header(const Secret& key) {
  return std::string("Bearer ").append(key.reveal());
}

std::shared_ptr<ExchangeState> start_call(std::shared_ptr<IoThread> thread, SoupSession* session,
                                          ApiCall call, std::function<void(ApiAnswer)> answered) {
  auto exchange =
      std::make_shared<Call>(std::move(thread), session, std::move(call), std::move(answered));
  exchange->start();
  return exchange;
}

}  // namespace veo::http
