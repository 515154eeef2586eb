// SPDX-License-Identifier: LGPL-2.1-or-later
//
// HTTP/1.1 messages for the handlers. An Answer also says how it is sent, with all its faults.
#pragma once

#include <cstdint>
#include <ctime>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace simulator {

/// Keeps the order of members, so that answers look like the documented ones.
using Json = nlohmann::ordered_json;
using Headers = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method;
  std::string target;
  Headers headers;
  std::string body;

  /// Finds the first header of that name; nullptr if there is none. The case of the name does not
  /// matter.
  [[nodiscard]] const std::string* find_header(std::string_view name) const;
  [[nodiscard]] std::string_view path() const;
};

/// The ways in which an answer ends.
enum class End {
  complete,  ///< all of it is sent
  close,     ///< the connection is closed
  reset,     ///< the connection is reset (RST)
  stall,     ///< nothing more is sent until the peer leaves
};

struct Answer {
  unsigned status = 200;
  Headers headers;
  /// The body is `size` bytes of `content` from `offset` on. If `content` is null, there is no
  /// body.
  std::shared_ptr<const std::string> content;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  bool chunked = false;  ///< framed by chunks instead of Content-Length

  End end = End::complete;
  /// If the answer is not complete, it ends after this many bytes of the body; unset: before the
  /// head.
  std::optional<std::uint64_t> end_after;
  std::uint64_t drip = 0;      ///< the speed in bytes per second; 0 for no limit
  std::uint64_t slice = 0;     ///< the size of each write in bytes; 0 for any
  std::uint64_t delay_ms = 0;  ///< the delay before the answer

  void set_body(std::string body, std::string content_type);
  void set_header(std::string_view name, std::string value);
};

Answer make_json_answer(unsigned status, const Json& body);
/// Makes an HTML page, such as gateways and file hosts send after a failure.
Answer make_html_answer(unsigned status);

/// Decodes a percent-encoded part of a path. A % without two hexadecimal digits stays as it is.
std::string percent_decode(std::string_view text);

/// Finds the reason phrase, such as "Not Found" for 404; "Unknown" if the status has none.
std::string_view find_reason(unsigned status);
/// Writes the time as in RFC 9110, section 5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`.
std::string write_http_date(std::time_t time);
/// Computes the SHA-256 as lower-case hexadecimal digits.
std::string compute_sha256(std::string_view bytes);

}  // namespace simulator
