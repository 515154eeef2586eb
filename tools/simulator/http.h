// SPDX-License-Identifier: LGPL-2.1-or-later
//
// HTTP/1.1 messages as the handlers see them. How an answer reaches the wire, and where that goes
// wrong on purpose, is part of the answer.
#pragma once

#include <cstdint>
#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace simulator {

/// Keeps the order of members, so that answers read like the documented ones.
using Json = nlohmann::ordered_json;
using Headers = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method;
  std::string target;
  Headers headers;
  std::string body;

  /// The first header of that name (ASCII case ignored); nullptr: none.
  [[nodiscard]] const std::string* header(std::string_view name) const;
  [[nodiscard]] std::string_view path() const;
};

/// How an answer ends.
enum class End {
  whole,  ///< all of it is sent
  close,  ///< the connection is closed
  reset,  ///< the connection is reset (RST)
  stall,  ///< nothing more is sent until the peer leaves
};

struct Answer {
  unsigned status = 200;
  Headers headers;
  /// The body is `size` bytes of `content` from `offset`; a null content has none.
  std::shared_ptr<const std::string> content;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  bool chunked = false;  ///< framed by chunks instead of Content-Length

  End end = End::whole;
  /// Where it ends, if not whole: after so many bytes of the body; unset: before the head.
  std::optional<std::uint64_t> end_after;
  std::uint64_t drip = 0;   ///< bytes a second; 0: no limit
  std::uint64_t slice = 0;  ///< the size of each write; 0: any
  std::uint64_t delay_ms = 0;

  void set_body(std::string body, std::string content_type);
  void set_header(std::string_view name, std::string value);
};

Answer json_answer(unsigned status, const Json& body);
/// An HTML page, as gateways and file hosts answer when something is wrong.
Answer html_answer(unsigned status);

/// A part of a path: what the percent-encoding stands for. What is none stays as it is.
std::string percent_decode(std::string_view text);

/// "Not Found" for 404; "Unknown" for numbers without a name.
std::string_view reason(unsigned status);
/// RFC 9110, 5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`.
std::string http_date(std::time_t time);
/// Lower-case hexadecimal.
std::string sha256(std::string_view bytes);

}  // namespace simulator
