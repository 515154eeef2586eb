// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The API key's only type. It cannot be formatted, compared, streamed or converted, so it cannot
// reach a log, a message or a file by accident. Its one use is the Authorization header, made by
// the one class that is a friend; what the ledger keeps of it is a mark that tells two keys apart.
#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace veo {

namespace http {
class Authorization;
}

class Secret {
 public:
  Secret() = default;
  /// Takes the text over and wipes the argument's own buffer.
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
  bool operator==(const Secret&) const = default;
  /// HMAC-SHA256 under `salt`, in hex: says whether two keys are one, and nothing else of them.
  [[nodiscard]] std::string make_mark(std::string_view salt) const;

 private:
  friend class http::Authorization;

  [[nodiscard]] std::string_view reveal() const { return text_; }
  // explicit_bzero is not optimised away, as a memset before a destructor's end would be.
  static void wipe(std::string& text) noexcept {
    explicit_bzero(text.data(), text.size());
    text.clear();
  }

  std::string text_;
};

}  // namespace veo
