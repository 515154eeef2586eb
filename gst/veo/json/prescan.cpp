// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/json/prescan.h"

#include <glib.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace veo::json {
namespace {

Error at_byte(std::size_t offset, std::string_view what) {
  Error error;
  error.code = ErrorCode::bad_response;
  error.message = "Not usable JSON at byte " + std::to_string(offset) + ": ";
  error.message.append(what).append(".");
  return error;
}

/// RFC 8259's grammar without recursion: what is open is a stack of the closing characters.
/// Its methods return false once something is wrong; `wrong_` then says what.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  Result<std::vector<Repair>> scan() {
    const bool valid = document();
    if (!valid) return fail(at_byte(position_, wrong_));
    return std::move(repairs_);
  }

 private:
  bool document() {
    for (;;) {
      // Here a value begins, ...
      space();
      if (peek() == '{' || peek() == '[') {
        if (!open()) return false;
        space();
        if (peek() != closers_[depth_ - 1]) {
          if (closers_[depth_ - 1] == '}' && !name()) return false;
          continue;
        }
      } else if (!scalar()) {
        return false;
      }
      // ... and here one has ended, and with it all that is closed now.
      for (;;) {
        space();
        if (depth_ == 0) return at_end() || wrong("text after the document");
        if (take(closers_[depth_ - 1])) {
          --depth_;
          continue;
        }
        if (!take(',')) return wrong("a comma or a closing bracket is missing");
        if (closers_[depth_ - 1] == '}' && !name()) return false;
        break;
      }
    }
  }

  bool open() {
    if (depth_ == max_depth) return wrong("nested too deeply");
    closers_[depth_++] = take('{') ? '}' : (take('['), ']');
    return true;
  }

  bool name() {
    space();
    if (peek() != '"') return wrong("a member's name is missing");
    if (!string()) return false;
    space();
    return take(':') || wrong("a colon is missing");
  }

  bool scalar() {
    if (peek() == '"') return string();
    if (peek() == '-' || is_digit(peek())) return number();
    for (const std::string_view literal : {"true", "false", "null"}) {
      if (text_.substr(position_).starts_with(literal)) {
        position_ += literal.size();
        return true;
      }
    }
    return wrong("a value is missing");
  }

  bool number() {
    const auto start = position_;
    take('-');
    if (!take('0') && !digits()) return false;
    bool integer = true;
    if (take('.')) {
      integer = false;
      if (!digits()) return false;
    }
    if (take('e') || take('E')) {
      integer = false;
      if (!take('+')) take('-');
      if (!digits()) return false;
    }
    std::int64_t value = 0;
    if (integer && std::from_chars(text_.data() + start, text_.data() + position_, value).ec ==
                       std::errc::result_out_of_range) {
      repairs_.push_back({position_, 0, ".0"});
    }
    return true;
  }

  bool digits() {
    if (!is_digit(peek())) return wrong("a digit is missing");
    while (is_digit(peek())) ++position_;
    return true;
  }

  bool string() {
    take('"');
    while (!take('"')) {
      if (at_end()) return wrong("a string does not end");
      if (static_cast<unsigned char>(peek()) < 0x20)
        return wrong("a control character in a string");
      if (peek() == '\\') {
        if (!escape()) return false;
      } else {
        ++position_;
      }
    }
    return true;
  }

  bool escape() {
    constexpr std::size_t length = 6;  // of \uXXXX
    const auto start = position_++;
    if (peek() != 'u') {
      if (at_end() || std::string_view(R"("\/bfnrt)").find(peek()) == std::string_view::npos) {
        return wrong("an escape that JSON does not have");
      }
      ++position_;
      return true;
    }
    const auto unit = code_unit(start);
    if (!unit) return wrong("an escape without its four digits");
    if (*unit == 0) return wrong("a NUL in a string");
    position_ = start + length;
    const auto next = code_unit(position_);
    if (is_high_surrogate(*unit) && next && is_low_surrogate(*next)) {
      position_ += length;
    } else if (is_high_surrogate(*unit) || is_low_surrogate(*unit)) {
      repairs_.push_back({start, length, "\\ufffd"});
    }
    return true;
  }

  /// The value of the `\uXXXX` at `offset`, if there is one.
  [[nodiscard]] std::optional<unsigned> code_unit(std::size_t offset) const {
    const auto escape = text_.substr(offset, 6);
    unsigned value = 0;
    if (escape.size() != 6 || !escape.starts_with("\\u")) return std::nullopt;
    const auto* const end = escape.data() + escape.size();
    const auto parsed = std::from_chars(escape.data() + 2, end, value, 16);
    if (parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
    return value;
  }

  static bool is_high_surrogate(unsigned unit) { return unit >= 0xd800 && unit < 0xdc00; }
  static bool is_low_surrogate(unsigned unit) { return unit >= 0xdc00 && unit < 0xe000; }
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }

  void space() {
    while (take(' ') || take('\t') || take('\n') || take('\r')) {
    }
  }
  [[nodiscard]] bool at_end() const { return position_ == text_.size(); }
  /// NUL at the end, which the text itself has nowhere.
  [[nodiscard]] char peek() const { return at_end() ? '\0' : text_[position_]; }
  bool take(char c) {
    if (at_end() || peek() != c) return false;
    ++position_;
    return true;
  }
  bool wrong(std::string_view what) {
    wrong_ = what;
    return false;
  }

  std::string_view text_;
  std::size_t position_ = 0;
  std::array<char, max_depth> closers_{};
  unsigned depth_ = 0;
  std::string_view wrong_;
  std::vector<Repair> repairs_;
};

}  // namespace

Result<std::vector<Repair>> prescan(std::string_view text) {
  if (text.size() > max_body) return fail(at_byte(max_body, "longer than is allowed"));
  const char* end = nullptr;
  if (!text.empty() && !g_utf8_validate_len(text.data(), text.size(), &end)) {
    return fail(at_byte(static_cast<std::size_t>(end - text.data()), "not UTF-8"));
  }
  return Scanner(text).scan();
}

}  // namespace veo::json
