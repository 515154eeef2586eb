// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A download from a file host. One message a hop:
//
//   URL checked ─► connect ─► starting: the address checked ─► head ─┬─ 3xx ─► next hop (≤ 5)
//                                                                    └─ else ─► body … ─► end
#include <array>
#include <charconv>
#include <vector>

#include "exchange.h"
#include "veo/core/error_table.h"
#include "veo/core/url_policy.h"

namespace veo::http {

namespace {

constexpr unsigned max_hops = 5;
constexpr std::size_t read_size = std::size_t{256} << 10U;

Error bad_response(const std::string& url, const std::string& what) {
  return {.code = ErrorCode::bad_response, .message = redact_url(url) + " " + what};
}

bool is_redirect(unsigned status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// A validator that stands for the exact bytes (RFC 9110 §8.8.1).
std::string strong_validator_of(SoupMessageHeaders* headers) {
  if (const auto etag = header_of(headers, "ETag"); !etag.empty()) {
    const bool strong = etag.size() >= 2 && etag.front() == '"' && etag.back() == '"';
    return strong ? etag : "";
  }
  // §8.8.2.2: a date is strong once the file can no longer change within its second.
  const auto modified = header_of(headers, "Last-Modified");
  const auto sent = header_of(headers, "Date");
  if (modified.empty() || sent.empty()) return "";
  const GDateTimePtr then(soup_date_time_new_from_http_string(modified.c_str()));
  const GDateTimePtr now(soup_date_time_new_from_http_string(sent.c_str()));
  if (!then || !now) return "";
  return g_date_time_difference(now.get(), then.get()) >= G_TIME_SPAN_SECOND ? modified : "";
}

/// Content-Range: `bytes 0-99/1000`, `bytes 0-99/*`, and of a 416 `bytes */1000`.
void read_content_range(const std::string& text, FileHead& head) {
  constexpr std::string_view unit = "bytes ";
  const std::string_view all(text);
  const auto slash = all.find('/');
  if (!all.starts_with(unit) || slash == std::string_view::npos) return;
  head.total = number_of(all.substr(slash + 1));
  const auto range = all.substr(unit.size(), slash - unit.size());
  const auto dash = range.find('-');
  if (dash == std::string_view::npos) return;
  const auto first = number_of(range.substr(0, dash));
  const auto last = number_of(range.substr(dash + 1));
  if (!first || !last || *last < *first || (head.total && *last >= *head.total)) return;
  head.content_range = ByteRange{.first = *first, .last = *last};
}

class Fetch final : public ExchangeState {
 public:
  Fetch(std::shared_ptr<IoThread> thread, SoupSession* session, bool proxied, FileFetch fetch,
        FileHandler handler)
      : ExchangeState(std::move(thread), session),
        proxied_(proxied),
        fetch_(std::move(fetch)),
        handler_(std::make_shared<FileHandler>(std::move(handler))) {}

  void start() {
    if (auto refused = next_hop()) {
      // Told later, as everything.
      thread_->post([self = self(), refused = std::move(*refused)] { self->finish(refused); });
    }
  }

  void cancel() override {
    handler_.reset();
    over_ = true;
    abort();
  }

 private:
  std::shared_ptr<Fetch> self() { return std::static_pointer_cast<Fetch>(shared_from_this()); }

  /// Sends the request to fetch_.url. Returns why it must not.
  std::optional<Error> next_hop() {
    if (auto allowed = check_file_url(fetch_.url, fetch_.api_is_loopback); !allowed) {
      return std::move(allowed.error());
    }
    if (proxied_ && !is_named_host_allowed()) {
      return bad_response(fetch_.url, "is at an address that is not public.");
    }
    if (!make_message("GET", fetch_.url)) return bad_response(fetch_.url, "is no HTTP URL.");
    if (fetch_.range) {
      const auto& range = *fetch_.range;
      soup_message_headers_set_range(request_headers(), static_cast<goffset>(range.first),
                                     range.last ? static_cast<goffset>(*range.last) : -1);
      if (fetch_.if_range) {
        soup_message_headers_replace(request_headers(), "If-Range", fetch_.if_range->c_str());
      }
    }
    limit_idle();
    soup_session_send_async(session_.get(), message_.get(), G_PRIORITY_DEFAULT, cancellable_.get(),
                            async_done<&Fetch::sent, Fetch>, keep(self()));
    return std::nullopt;
  }

  [[nodiscard]] bool is_allowed(GInetAddress* address) const {
    const std::span bytes(g_inet_address_to_bytes(address),
                          g_inet_address_get_native_size(address));
    return is_public_address(bytes) || (fetch_.api_is_loopback && is_loopback_address(bytes));
  }

  /// Through a proxy only what the URL itself says can be judged.
  [[nodiscard]] bool is_named_host_allowed() const {
    const auto origin = origin_of(fetch_.url);
    const GObjectPtr<GInetAddress> literal(
        origin ? g_inet_address_new_from_string(origin->host.c_str()) : nullptr);
    return !literal || is_allowed(literal.get());
  }

  /// The connection stands, and nothing was written: the last moment to look at who is there.
  void starting() override {
    if (proxied_) return;
    auto* address = soup_message_get_remote_address(message_.get());
    if (G_IS_INET_SOCKET_ADDRESS(address) &&
        is_allowed(g_inet_socket_address_get_address(G_INET_SOCKET_ADDRESS(address)))) {
      return limit_idle();
    }
    refused_ = bad_response(fetch_.url, "leads to an address that is not public.");
    abort();
  }

  void got_headers() override { limit_idle(); }

  void sent(GObject*, GAsyncResult* result) {
    ErrorSlot error;
    stream_.reset(soup_session_send_finish(session_.get(), result, error.out()));
    if (over_) return;
    if (error) return finish(describe(*error.get(), fetch_.url));
    if (is_redirect(status())) return redirect();

    auto head = read_head();
    if (!header_of(response_headers(), "Content-Encoding").empty() &&
        header_of(response_headers(), "Content-Encoding") != "identity") {
      return finish(bad_response(fetch_.url, "came in a content coding that was not asked for."));
    }
    if (head.status == 206 && !head.content_range) {
      return finish(bad_response(fetch_.url, "came in parts without saying which."));
    }
    expected_ = head.content_range ? *head.content_range->last - head.content_range->first + 1
                                   : head.content_length;
    const auto handler = handler_;
    if (!handler->head(head)) return cancel();
    if (over_) return;
    if (head.status != 200 && head.status != 206) {
      return finish(bad_response(fetch_.url, "answered with HTTP " + std::to_string(head.status)));
    }
    buffer_.resize(read_size);
    read();
  }

  void redirect() {
    const auto location = header_of(response_headers(), "Location");
    stream_.reset();
    if (++hops_ > max_hops) return finish(bad_response(fetch_.url, "redirects too often."));
    auto next = resolve_url(fetch_.url, location);
    if (location.empty() || !next) {
      return finish(bad_response(fetch_.url, "redirects to what is no URL."));
    }
    fetch_.url = std::move(*next);
    if (auto refused = next_hop()) finish(std::move(*refused));
  }

  FileHead read_head() const {
    auto* headers = response_headers();
    FileHead head;
    head.status = status();
    head.content_length = number_of(header_of(headers, "Content-Length"));
    head.accepts_ranges = header_of(headers, "Accept-Ranges") == "bytes";
    head.content_type = header_of(headers, "Content-Type");
    head.strong_validator = strong_validator_of(headers);
    head.retry_after = retry_after_of(headers);
    read_content_range(header_of(headers, "Content-Range"), head);
    return head;
  }

  void read() {
    g_input_stream_read_async(stream_.get(), buffer_.data(), buffer_.size(), G_PRIORITY_DEFAULT,
                              cancellable_.get(), async_done<&Fetch::got, Fetch>, keep(self()));
  }

  void got(GObject*, GAsyncResult* result) {
    ErrorSlot error;
    const auto count = g_input_stream_read_finish(stream_.get(), result, error.out());
    if (over_) return;
    if (error && g_error_matches(error.get(), G_IO_ERROR, G_IO_ERROR_PARTIAL_INPUT)) {
      return finish(cut_off());
    }
    if (error) return finish(describe(*error.get(), fetch_.url));
    if (count == 0) {
      // libsoup takes a chunked body that ends at a chunk's border for whole: without a length
      // there is no telling, and what was received must speak for itself.
      return finish(!expected_ || received_ == *expected_ ? std::nullopt
                                                          : std::optional(cut_off()));
    }
    const auto size = static_cast<std::size_t>(count);
    received_ += size;
    if (expected_ && received_ > *expected_) {
      return finish(bad_response(fetch_.url, "sent more bytes than it had announced."));
    }
    limit_idle();
    const auto handler = handler_;
    handler->data(std::span(buffer_.data(), size));
    if (!over_) read();
  }

  [[nodiscard]] Error cut_off() const {
    return {.code = ErrorCode::network,
            .message = redact_url(fetch_.url) + " ended after " + std::to_string(received_) +
                       (expected_ ? " of " + std::to_string(*expected_) : "") + " bytes."};
  }

  void limit_idle() {
    idle_ = thread_->after(fetch_.idle_timeout, [weak = std::weak_ptr(self())] {
      const auto self = weak.lock();
      if (!self) return;
      self->refused_ = timed_out(self->fetch_.url, "nothing", self->fetch_.idle_timeout);
      self->abort();
    });
  }

  void finish(std::optional<Error> failure) {
    if (over_) return;
    over_ = true;
    if (refused_) failure = std::move(refused_);
    abort();
    stream_.reset();
    drop_message();
    const auto handler = std::exchange(handler_, nullptr);
    handler->end(std::move(failure));
  }

  const bool proxied_;
  FileFetch fetch_;
  // Shared with the call of it that is under way, which may be the one that ends us.
  std::shared_ptr<FileHandler> handler_;
  std::vector<std::uint8_t> buffer_;
  std::optional<std::uint64_t> expected_;
  std::uint64_t received_ = 0;
  std::optional<Error> refused_;  // why we ended it ourselves
  unsigned hops_ = 0;
  bool over_ = false;
};

}  // namespace

std::shared_ptr<ExchangeState> start_fetch(std::shared_ptr<IoThread> thread, SoupSession* session,
                                           bool proxied, FileFetch fetch, FileHandler handler) {
  auto exchange = std::make_shared<Fetch>(std::move(thread), session, proxied, std::move(fetch),
                                          std::move(handler));
  exchange->start();
  return exchange;
}

}  // namespace veo::http
