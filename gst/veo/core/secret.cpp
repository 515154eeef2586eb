// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/secret.h"

#include <glib.h>

#include <algorithm>
#include <memory>

namespace veo {

void Secret::trim() {
  constexpr std::string_view white_space = " \t\n\v\f\r";
  const auto first = text_.find_first_not_of(white_space);
  if (first == std::string::npos) return wipe(text_);
  const auto count = text_.find_last_not_of(white_space) + 1 - first;
  // Move the text within its buffer, and wipe the rest, so that no copy stays in memory.
  std::copy_n(text_.begin() + static_cast<std::ptrdiff_t>(first), count, text_.begin());
  explicit_bzero(text_.data() + count, text_.size() - count);
  text_.resize(count);
}

bool Secret::is_header_value() const {
  return !text_.empty() && std::ranges::all_of(text_, [](char c) { return c > ' ' && c < 127; });
}

std::string Secret::make_mark(std::string_view salt) const {
  const std::unique_ptr<char, decltype(&g_free)> hex(
      g_compute_hmac_for_data(G_CHECKSUM_SHA256, reinterpret_cast<const guchar*>(salt.data()),
                              salt.size(), reinterpret_cast<const guchar*>(text_.data()),
                              text_.size()),
      g_free);
  return hex.get();
}

}  // namespace veo
