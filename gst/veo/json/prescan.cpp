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

Error make_error(std::size_t offset, std::string_view what) {
  Error error;
  error.code = ErrorCode::bad_response;
  error.message = "Not usable JSON at byte " + std::to_string(offset) + ": ";
  error.message.append(what).append(".");
  return error;
}

/// Scans a document by the grammar of RFC 8259. The scanner does not recurse: a stack holds the
/// closing character of each open array and object. A method returns false if the text is wrong;
/// `mistake_` then names the mistake.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  Result<std::vector<Repair>> scan() {
    const bool valid = scan_document();
    if (!valid) return fail(make_error(position_, mistake_));
    return std::move(repairs_);
  }

 private:
  bool scan_document() {
    for (;;) {
      // A value begins here.
      skip_space();
      if (peek() == '{' || peek() == '[') {
        if (!open_value()) return false;
        skip_space();
        if (peek() != closers_[depth_ - 1]) {
          if (closers_[depth_ - 1] == '}' && !scan_name()) return false;
          continue;
        }
      } else if (!scan_scalar()) {
        return false;
      }
      // A value has ended here. Each closing character ends one more value.
      for (;;) {
        skip_space();
        if (depth_ == 0) return is_at_end() || fail_with("text after the document");
        if (take(closers_[depth_ - 1])) {
          --depth_;
          continue;
        }
        if (!take(',')) return fail_with("a comma or a closing bracket is missing");
        if (closers_[depth_ - 1] == '}' && !scan_name()) return false;
        break;
      }
    }
  }

  bool open_value() {
    if (depth_ == max_depth) return fail_with("nested too deeply");
    closers_[depth_++] = take('{') ? '}' : (take('['), ']');
    return true;
  }

  bool scan_name() {
    skip_space();
    if (peek() != '"') return fail_with("a member's name is missing");
    if (!scan_string()) return false;
    skip_space();
    return take(':') || fail_with("a colon is missing");
  }

  bool scan_scalar() {
    if (peek() == '"') return scan_string();
    if (peek() == '-' || is_digit(peek())) return scan_number();
    for (const std::string_view literal : {"true", "false", "null"}) {
      if (text_.substr(position_).starts_with(literal)) {
        position_ += literal.size();
        return true;
      }
    }
    return fail_with("a value is missing");
  }

  bool scan_number() {
    const auto start = position_;
    take('-');
    if (!take('0') && !scan_digits()) return false;
    bool integer = true;
    if (take('.')) {
      integer = false;
      if (!scan_digits()) return false;
    }
    if (take('e') || take('E')) {
      integer = false;
      if (!take('+')) take('-');
      if (!scan_digits()) return false;
    }
    std::int64_t value = 0;
    if (integer && std::from_chars(text_.data() + start, text_.data() + position_, value).ec ==
                       std::errc::result_out_of_range) {
      repairs_.push_back({position_, 0, ".0"});
    }
    return true;
  }

  bool scan_digits() {
    if (!is_digit(peek())) return fail_with("a digit is missing");
    while (is_digit(peek())) ++position_;
    return true;
  }

  bool scan_string() {
    take('"');
    while (!take('"')) {
      if (is_at_end()) return fail_with("a string does not end");
      if (static_cast<unsigned char>(peek()) < 0x20)
        return fail_with("a control character in a string");
      if (peek() == '\\') {
        if (!scan_escape()) return false;
      } else {
        ++position_;
      }
    }
    return true;
  }

  bool scan_escape() {
    constexpr std::size_t length = 6;  // of \uXXXX
    const auto start = position_++;
    if (peek() != 'u') {
      if (is_at_end() || std::string_view(R"("\/bfnrt)").find(peek()) == std::string_view::npos) {
        return fail_with("an escape that JSON does not have");
      }
      ++position_;
      return true;
    }
    const auto unit = read_code_unit(start);
    if (!unit) return fail_with("an escape without its four digits");
    if (*unit == 0) return fail_with("a NUL in a string");
    position_ = start + length;
    const auto next = read_code_unit(position_);
    if (is_high_surrogate(*unit) && next && is_low_surrogate(*next)) {
      position_ += length;
    } else if (is_high_surrogate(*unit) || is_low_surrogate(*unit)) {
      repairs_.push_back({start, length, "\\ufffd"});
    }
    return true;
  }

  /// Reads the value of the `\uXXXX` at `offset`; nullopt if there is none.
  [[nodiscard]] std::optional<unsigned> read_code_unit(std::size_t offset) const {
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

  void skip_space() {
    while (take(' ') || take('\t') || take('\n') || take('\r')) {
    }
  }
  [[nodiscard]] bool is_at_end() const { return position_ == text_.size(); }
  /// Returns the next character, or NUL at the end. (The text itself has no NUL: prescan() refuses
  /// it.)
  [[nodiscard]] char peek() const { return is_at_end() ? '\0' : text_[position_]; }
  bool take(char c) {
    if (is_at_end() || peek() != c) return false;
    ++position_;
    return true;
  }
  bool fail_with(std::string_view what) {
    mistake_ = what;
    return false;
  }

  std::string_view text_;
  std::size_t position_ = 0;
  std::array<char, max_depth> closers_{};
  unsigned depth_ = 0;
  std::string_view mistake_;
  std::vector<Repair> repairs_;
};

}  // namespace

Result<std::vector<Repair>> prescan(std::string_view text) {
  if (text.size() > max_body) return fail(make_error(max_body, "longer than is allowed"));
  const char* end = nullptr;
  if (!text.empty() && !g_utf8_validate_len(text.data(), text.size(), &end)) {
    return fail(make_error(static_cast<std::size_t>(end - text.data()), "not UTF-8"));
  }
  return Scanner(text).scan();
}

}  // namespace veo::json
