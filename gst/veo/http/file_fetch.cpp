// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A download from a file host. One message a hop:
//
//   URL checked ─► connect ─► starting: the address checked ─► head ─┬─ 3xx ─► next hop (≤ 5)
//                                                                    └─ else ─► body … ─► end
#include <algorithm>
#include <array>
#include <charconv>
#include <utility>
#include <vector>

#include "exchange.h"
#include "veo/core/error_table.h"
#include "veo/core/log.h"
#include "veo/core/url_policy.h"

namespace veo::http {

namespace {

constexpr unsigned max_hops = 5;
constexpr std::size_t read_size = std::size_t{256} << 10U;
/// libsoup's reader of chunked bodies asserts room for a chunk's border beside the bytes. If the
/// place is smaller than this, the bytes are read into `carry_` and copied from there.
constexpr std::size_t least_room = 64;

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

/// Returns the answer's strong validator, which stands for the exact bytes (RFC 9110 §8.8.1); empty
/// if there is none.
std::string strong_validator_of(SoupMessageHeaders* headers) {
  if (const auto etag = read_header(headers, "ETag"); !etag.empty()) {
    const bool strong = etag.size() >= 2 && etag.front() == '"' && etag.back() == '"';
    return strong ? etag : "";
  }
  // §8.8.2.2: a date is strong once the file can no longer change within its second.
  const auto modified = read_header(headers, "Last-Modified");
  const auto sent = read_header(headers, "Date");
  if (modified.empty() || sent.empty()) return "";
  const GDateTimePtr then(soup_date_time_new_from_http_string(modified.c_str()));
  const GDateTimePtr now(soup_date_time_new_from_http_string(sent.c_str()));
  if (!then || !now) return "";
  return g_date_time_difference(now.get(), then.get()) >= G_TIME_SPAN_SECOND ? modified : "";
}

/// Parses Content-Range: `bytes 0-99/1000`, `bytes 0-99/*`, and `bytes */1000` of a 416.
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
  Fetch(std::shared_ptr<IoThread> thread, SoupSession* session, FileFetch fetch,
        FileHandler handler)
      : ExchangeState(std::move(thread), session, std::move(fetch.url), fetch.idle_timeout),
        policy_(std::move(fetch.policy)),
        range_(fetch.range),
        suffix_(fetch.suffix),
        if_range_(std::move(fetch.if_range)),
        handler_(std::make_shared<FileHandler>(std::move(handler))) {}

  void start() {
    if (auto refused = next_hop()) finish_later(std::move(*refused));
  }

  void cancel() override {
    if (!is_over()) {
      log::debug(log::Category::http, "#", number(), " is stopped after ", received_, " bytes and ",
                 elapsed());
    }
    handler_.reset();
    close();
  }

  void resume() override {
    if (std::exchange(paused_, false)) read_on();
  }

 private:
  /// Sends the request to url_. Returns the error if the URL is not allowed.
  std::optional<Error> next_hop() {
    if (auto allowed = check_file_url(url_, policy_); !allowed) {
      return std::move(allowed.error());
    }
    if (!make_message("GET")) return bad_response(url_, "is no HTTP URL.");
    if (range_) {
      soup_message_headers_set_range(request_headers(), static_cast<goffset>(range_->first),
                                     range_->last ? static_cast<goffset>(*range_->last) : -1);
    } else if (suffix_) {
      soup_message_headers_set_range(request_headers(), -static_cast<goffset>(*suffix_), -1);
    }
    if (if_range_ && (range_ || suffix_)) {
      // Without the header the host could mix the bytes of two files.
      if (!set_header(request_headers(), "If-Range", *if_range_)) {
        return bad_response(url_, "has a validator that no header can carry.");
      }
    }
    log_request();
    send();
    return std::nullopt;
  }

  void log_request() const {
    if (!log::is_enabled(log::Category::http, log::Level::debug)) return;
    std::string range = "all bytes";
    if (range_) {
      range = "bytes " + std::to_string(range_->first) + "-" +
              (range_->last ? std::to_string(*range_->last) : "");
    } else if (suffix_) {
      range = "the last " + std::to_string(*suffix_) + " bytes";
    }
    log::debug(log::Category::http, "#", number(), " GET ", log::url(url_), ", ", log::text(range),
               log::text(if_range_ ? ", if unchanged" : ""),
               log::text(hops_ > 0 ? ", redirected" : ""));
  }

  /// Ends the exchange if the connection's address is not allowed. With a proxy only the proxy's
  /// address is known, so check_file_url() has judged the URL's host alone.
  void check_address(GSocketAddress* remote) {
    if (G_IS_PROXY_ADDRESS(remote)) return;
    std::optional<Address> reached;
    if (G_IS_INET_SOCKET_ADDRESS(remote)) {
      auto* address = g_inet_socket_address_get_address(G_INET_SOCKET_ADDRESS(remote));
      reached =
          make_address({g_inet_address_to_bytes(address), g_inet_address_get_native_size(address)});
    }
    if (!reached) return finish(bad_response(url_, "leads to what is no IP address."));
    if (is_allowed_address(*reached, policy_)) return;
    const auto origin = parse_origin(url_);
    auto error =
        bad_response(url_, "cannot be reached. " + explain_refused_addresses(
                                                       origin ? origin->host : "", {&*reached, 1}));
    error.remedy = "allow-addresses=" + suggest_ranges({&*reached, 1});
    finish(std::move(error));
  }

  // Check twice: before TLS names the host to a stranger, and for a connection that is used again.
  void on_connected(GSocketAddress* remote) override { check_address(remote); }
  void on_starting() override {
    expect_progress();
    check_address(soup_message_get_remote_address(message_.get()));
  }

  void on_head() override { expect_progress(); }

  void on_answer() override {
    if (is_redirect(status())) return redirect();
    const auto head = read_head();
    if (auto wrong = check_head(head)) return finish(bad_response(url_, wrong));
    expected_ = head.content_range ? *head.content_range->last - head.content_range->first + 1
                                   : head.content_length;
    const auto handler = handler_;
    if (!handler->head(head)) return cancel();
    if (is_over()) return;
    if (head.status != 200 && head.status != 206) {
      return finish(bad_response(url_, "answered with HTTP " + std::to_string(head.status) + "."));
    }
    if (!handler->room) {
      auto own = std::make_shared<std::vector<std::uint8_t>>(read_size);
      room_ = {.owner = own, .bytes = *own};
    }
    read_on();
  }

  void read_on() {
    for (;;) {
      const auto handler = handler_;
      if (handler->room) {
        auto room = handler->room();
        if (is_over()) return;
        room_ = std::move(room);
      }
      paused_ = room_.bytes.empty();
      if (paused_) return expect_nothing();
      if (carried_.empty()) break;
      hand_out_carried();
      if (is_over()) return;
    }
    expect_progress();
    is_carrying_ = room_.bytes.size() < least_room;
    read(is_carrying_ ? std::span<std::uint8_t>(carry_) : room_.bytes);
  }

  void hand_out_carried() {
    const auto count = std::min(carried_.size(), room_.bytes.size());
    std::ranges::copy(carried_.first(count), room_.bytes.begin());
    carried_ = carried_.subspan(count);
    const auto handler = handler_;
    handler->data(room_.bytes.first(count));
  }

  void redirect() {
    const auto location = read_header(response_headers(), "Location");
    if (++hops_ > max_hops) return finish(bad_response(url_, "redirects too often."));
    auto next = resolve_url(url_, location);
    if (location.empty() || !next) {
      return finish(bad_response(url_, "redirects to what is no URL."));
    }
    url_ = std::move(*next);
    if (auto refused = next_hop()) finish(std::move(*refused));
  }

  FileHead read_head() const {
    auto* headers = response_headers();
    FileHead head;
    head.status = status();
    // RFC 9112 §6.3: beside a transfer coding, Content-Length means nothing.
    if (soup_message_headers_get_encoding(headers) != SOUP_ENCODING_CHUNKED) {
      head.content_length = number_of(read_header(headers, "Content-Length"));
    }
    head.accepts_ranges = read_header(headers, "Accept-Ranges") == "bytes";
    head.content_type = read_header(headers, "Content-Type");
    head.strong_validator = strong_validator_of(headers);
    head.retry_after = read_retry_after(headers);
    read_content_range(read_header(headers, "Content-Range"), head);
    return head;
  }

  /// Returns why the body cannot be the file's bytes; null if it can.
  const char* check_head(const FileHead& head) const {
    // libsoup reads a length that is no number as another number.
    const bool has_length =
        !read_header(response_headers(), "Content-Length").empty() &&
        soup_message_headers_get_encoding(response_headers()) != SOUP_ENCODING_CHUNKED;
    const bool is_possible = head.content_length && *head.content_length <= INT64_MAX;
    if (has_length && !is_possible) return "announced a length that is no number of bytes.";
    const auto coding = read_header(response_headers(), "Content-Encoding");
    if (!coding.empty() && g_ascii_strcasecmp(coding.c_str(), "identity") != 0) {
      return "came in a content coding that was not asked for.";
    }
    if (head.status != 206) return nullptr;
    if (g_ascii_strncasecmp(head.content_type.c_str(), "multipart/byteranges", 20) == 0) {
      return "came in several parts at once.";
    }
    return head.content_range ? nullptr : "came in part without saying in which.";
  }

  void on_received(std::size_t count) override {
    if (count == 0) {
      // Without a length, the end of the connection is the end of the file, and libsoup accepts a
      // chunked body that was cut at a chunk's border. The check of the boxes decides then.
      const bool is_complete = !expected_ || received_ == *expected_;
      return finish(is_complete ? std::nullopt : std::optional(make_cut_off()));
    }
    received_ += count;
    log::trace(log::Category::http, "#", number(), " received ", count, " bytes");
    if (expected_ && received_ > *expected_) {
      return finish(bad_response(url_, "sent more bytes than it had announced."));
    }
    if (is_carrying_) {
      carried_ = std::span(carry_).first(count);
      hand_out_carried();
    } else {
      const auto handler = handler_;
      handler->data(room_.bytes.first(count));
    }
    if (!is_over()) read_on();
  }

  Error describe_failure(const GError& error) const override {
    return g_error_matches(&error, G_IO_ERROR, G_IO_ERROR_PARTIAL_INPUT)
               ? make_cut_off()
               : ExchangeState::describe_failure(error);
  }

  [[nodiscard]] Error make_cut_off() const {
    return {.code = ErrorCode::network,
            .message = redact_url(url_) + " ended after " + std::to_string(received_) +
                       (expected_ ? " of " + std::to_string(*expected_) : "") + " bytes."};
  }

  void report(std::optional<Error> failure) override {
    if (!failure) {
      log::debug(log::Category::http, "#", number(), " ends: ", received_, " bytes in ", elapsed());
    }
    const auto handler = std::exchange(handler_, nullptr);
    handler->end(std::move(failure));
  }

  const FilePolicy policy_;
  const std::optional<ByteRange> range_;
  const std::optional<std::uint64_t> suffix_;
  const std::optional<std::string> if_range_;
  // A running handler shares the ownership, because the handler may destroy this object.
  std::shared_ptr<FileHandler> handler_;
  Room room_;  // a read may be under way into it
  bool paused_ = false;
  std::array<std::uint8_t, least_room> carry_{};
  std::span<const std::uint8_t> carried_;  // of carry_: not handed out yet
  bool is_carrying_ = false;               // a read is under way into carry_
  std::optional<std::uint64_t> expected_;
  std::uint64_t received_ = 0;
  unsigned hops_ = 0;
};

}  // namespace

std::shared_ptr<ExchangeState> start_fetch(std::shared_ptr<IoThread> thread, SoupSession* session,
                                           FileFetch fetch, FileHandler handler) {
  auto exchange =
      std::make_shared<Fetch>(std::move(thread), session, std::move(fetch), std::move(handler));
  exchange->start();
  return exchange;
}

}  // namespace veo::http
