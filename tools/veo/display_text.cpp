// SPDX-License-Identifier: LGPL-2.1-or-later
#include "display_text.h"
#include "veo/core/owned_text.h"

#include <glib.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <memory>

namespace veo::cli {

namespace {

/// Whether the mark changes the direction of the text after it. With such a mark, a prompt could
/// show a false price.
bool is_turning(gunichar c) { return (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069); }

std::size_t columns_of(gunichar c) {
  if (g_unichar_iszerowidth(c) != FALSE) return 0;
  return g_unichar_iswide(c) != FALSE ? 2 : 1;
}

template <class... Values>
std::string format(const char* form, Values... values) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), form, values...);
  return text.data();
}

}  // namespace

std::string printable(std::string_view text, bool lines) {
  const OwnedText valid(g_utf8_make_valid(text.data(), static_cast<gssize>(text.size())));
  std::string shown;
  for (const char* at = valid.get(); *at != '\0'; at = g_utf8_next_char(at)) {
    const auto c = g_utf8_get_char(at);
    if (c == '\n') {
      shown += lines ? '\n' : ' ';
    } else if (g_unichar_iscntrl(c) != FALSE || is_turning(c)) {
      shown += "\xEF\xBF\xBD";
    } else {
      shown.append(at, static_cast<std::size_t>(g_utf8_next_char(at) - at));
    }
  }
  return shown;
}

std::size_t width_of(std::string_view text) {
  std::size_t columns = 0;
  const char* const end = text.data() + text.size();
  for (const char* at = text.data(); at < end; at = g_utf8_next_char(at)) {
    columns += columns_of(g_utf8_get_char(at));
  }
  return columns;
}

std::string cut(std::string_view text, std::size_t columns) {
  if (width_of(text) <= columns) return std::string(text);
  std::size_t used = 1;  // the ellipsis takes a column
  const char* at = text.data();
  const char* const end = text.data() + text.size();
  for (; at < end; at = g_utf8_next_char(at)) {
    used += columns_of(g_utf8_get_char(at));
    if (used > columns) break;
  }
  return std::string(text.data(), at) + (columns > 0 ? "…" : "");
}

std::string pad(std::string text, std::size_t columns) {
  const auto used = width_of(text);
  if (used < columns) text.append(columns - used, ' ');
  return text;
}

std::string clock_text(std::chrono::milliseconds time) {
  const auto seconds = std::chrono::round<std::chrono::seconds>(time).count();
  const auto s = static_cast<int>(seconds % 60);
  const auto m = static_cast<int>(seconds / 60 % 60);
  if (seconds >= 3600) return format("%d:%02d:%02d", static_cast<int>(seconds / 3600), m, s);
  return format("%d:%02d", m, s);
}

std::string size_text(std::uint64_t bytes) {
  if (bytes < 1000) return std::to_string(bytes) + " bytes";
  if (bytes < 1'000'000) return format("%.0f kB", static_cast<double>(bytes) / 1e3);
  return format("%.1f MB", static_cast<double>(bytes) / 1e6);
}

std::string credits_text(double credits) {
  if (credits == std::floor(credits)) return format("%.0f", credits);
  return format("%.2f", credits);
}

std::string count_text(std::uint64_t count, const std::string& thing) {
  return std::to_string(count) + " " + thing + (count == 1 ? "" : "s");
}

std::string escape_html(std::string_view text) {
  const auto shown = printable(text, true);
  const OwnedText escaped(g_markup_escape_text(shown.data(), static_cast<gssize>(shown.size())));
  return escaped.get();
}

}  // namespace veo::cli
