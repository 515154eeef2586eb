// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The type of the API key. A Secret cannot be formatted, streamed or converted, so the key cannot
// reach a log, a message or a file by accident. One class is a friend and may read the key: it
// makes the Authorization header. The ledger keeps only a mark of the key, which tells two keys
// apart.
#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace veo {

namespace http {
class Authorization;
}

/// A text that is wiped from memory when it is destroyed or replaced.
class Secret {
 public:
  Secret() = default;
  /// Copies the text and wipes the buffer of the argument.
  explicit Secret(std::string text) : text_(text) { wipe(text); }
  Secret(const Secret&) = default;
  Secret(Secret&& other) noexcept : text_(other.text_) { wipe(other.text_); }
  Secret& operator=(const Secret& other) {
    if (this != &other) {
      wipe(text_);
      text_ = other.text_;
    }
    return *this;
  }
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      wipe(text_);
      text_ = other.text_;
      wipe(other.text_);
    }
    return *this;
  }
  ~Secret() { wipe(text_); }

  [[nodiscard]] bool empty() const { return text_.empty(); }
  [[nodiscard]] bool has_prefix(std::string_view prefix) const {
    return std::string_view(text_).starts_with(prefix);
  }
  /// Removes the white space at both ends, such as the line break at the end of a file.
  void trim();
  /// Whether the text can be the value of a header: at least one character, and only visible
  /// ASCII characters.
  [[nodiscard]] bool is_header_value() const;
  bool operator==(const Secret&) const = default;
  /// Makes the mark of the key: the HMAC-SHA256 (RFC 2104) under `salt`, in hexadecimal digits.
  /// Marks with the same salt are equal if and only if the keys are equal. They tell nothing else.
  [[nodiscard]] std::string make_mark(std::string_view salt) const;

 private:
  friend class http::Authorization;

  [[nodiscard]] std::string_view reveal() const { return text_; }
  // The compiler may remove a memset() at the end of a destructor. It keeps explicit_bzero().
  static void wipe(std::string& text) noexcept {
    explicit_bzero(text.data(), text.size());
    text.clear();
  }

  std::string text_;
};

}  // namespace veo
