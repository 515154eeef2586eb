// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/escape.h"

#include <glib.h>

#include <algorithm>

namespace veo {

namespace {

constexpr std::string_view digits = "0123456789ABCDEF";

/// Appends the byte as two hexadecimal digits.
void append_hex(std::string& text, char c) {
  const auto byte = static_cast<unsigned char>(c);
  text += digits[byte >> 4U];
  text += digits[byte & 15U];
}

bool is_unreserved(char c) {
  return g_ascii_isalnum(c) || std::string_view("-._~").find(c) != std::string_view::npos;
}

/// Measures the first character of `text` in bytes. Returns 0 if its first byte must be escaped.
std::size_t measure_shown_character(std::string_view text) {
  constexpr std::size_t longest = 4;
  const auto c =
      g_utf8_get_char_validated(text.data(), static_cast<gssize>(std::min(text.size(), longest)));
  // GLib returns -1 and -2 for bytes that are not a character.
  if (c >= static_cast<gunichar>(-2) || g_unichar_iscntrl(c) != FALSE || c == '\\') return 0;
  return static_cast<std::size_t>(g_unichar_to_utf8(c, nullptr));
}

}  // namespace

std::string percent_encode(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    if (is_unreserved(c)) {
      encoded += c;
    } else {
      encoded += '%';
      append_hex(encoded, c);
    }
  }
  return encoded;
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string decoded;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      decoded += text[at];
      continue;
    }
    if (at + 2 >= text.size()) return std::nullopt;
    const int high = g_ascii_xdigit_value(text[at + 1]);
    const int low = g_ascii_xdigit_value(text[at + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    decoded += static_cast<char>(high * 16 + low);
    at += 2;
  }
  if (decoded.find('\0') != std::string::npos) return std::nullopt;
  return decoded;
}

std::string quote_for_shell(std::string_view text) {
  const bool is_plain = !text.empty() && std::ranges::all_of(text, [](char c) {
    return is_unreserved(c) || std::string_view("/:=@%+,").find(c) != std::string_view::npos;
  });
  // A shell expands a ~ at the start of a word, and in some places within it, to a home directory.
  if (is_plain && text.find('~') == std::string_view::npos) return std::string(text);
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

std::string escape_text(std::string_view text, std::size_t longest) {
  std::string shown;
  std::size_t at = 0;
  while (at < text.size()) {
    const auto length = measure_shown_character(text.substr(at));
    if (at + std::max<std::size_t>(length, 1) > longest) break;
    if (length == 0) {
      shown += "\\x";
      append_hex(shown, text[at]);
    }
    shown += text.substr(at, length);
    at += std::max<std::size_t>(length, 1);
  }
  if (at == text.size()) return shown;
  return shown + "… (" + std::to_string(text.size()) + " bytes)";
}

}  // namespace veo
