// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Text for people, on a terminal or a page.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace veo::cli {

/// Without what a terminal would obey: each control character, each mark that turns the direction
/// of writing and each byte that is not UTF-8 is shown as U+FFFD, line ends as a space (or
/// themselves, if `lines`).
std::string printable(std::string_view text, bool lines = false);

/// Columns on a terminal.
std::size_t width_of(std::string_view text);
/// At most `columns` of it, with an ellipsis where something is missing.
std::string cut(std::string_view text, std::size_t columns);
/// Filled with spaces up to `columns`.
std::string pad(std::string text, std::size_t columns);

/// `1:07`, `1:02:03`.
std::string clock_text(std::chrono::milliseconds time);
/// `3.9 MB`
std::string size_text(std::uint64_t bytes);
/// `1234`, `12.5`
std::string credits_text(double credits);

std::string escape_html(std::string_view text);

}  // namespace veo::cli
