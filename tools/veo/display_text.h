// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Text for people, on a terminal or a page.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace veo::cli {

/// `text` without characters that a terminal obeys. Each control character, each mark that turns
/// the direction of writing, and each byte that is not UTF-8 becomes U+FFFD. A line end becomes a
/// space, or stays if `lines`.
std::string printable(std::string_view text, bool lines = false);

/// How many columns of a terminal `text` takes.
std::size_t width_of(std::string_view text);
/// At most `columns` columns of `text`, with an ellipsis in place of the rest.
std::string cut(std::string_view text, std::size_t columns);
/// `text`, filled with spaces up to `columns` columns.
std::string pad(std::string text, std::size_t columns);

/// `1:07`, `1:02:03`.
std::string clock_text(std::chrono::milliseconds time);
/// `3.9 MB`
std::string size_text(std::uint64_t bytes);
/// `1234`, `12.5`
std::string credits_text(double credits);

std::string escape_html(std::string_view text);

}  // namespace veo::cli
