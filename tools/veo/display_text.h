// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Makes text for people, on a terminal or a page.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace veo::cli {

/// Returns `text` without characters that could control a terminal. U+FFFD replaces each control
/// character, each mark that changes the direction of writing, and each byte that is not UTF-8. A
/// space replaces a line end, unless `lines` is true.
std::string printable(std::string_view text, bool lines = false);

/// Returns how many columns of a terminal `text` fills.
std::size_t width_of(std::string_view text);
/// Returns at most `columns` columns of `text`. An ellipsis replaces the rest.
std::string cut(std::string_view text, std::size_t columns);
/// Returns `text` with as many spaces after it as make `columns` columns.
std::string pad(std::string text, std::size_t columns);

/// `1:07`, `1:02:03`.
std::string clock_text(std::chrono::milliseconds time);
/// `3.9 MB`
std::string size_text(std::uint64_t bytes);
/// `1234`, `12.5`
std::string credits_text(double credits);

/// `1 task`, `2 tasks`
std::string count_text(std::uint64_t count, const std::string& thing);

std::string escape_html(std::string_view text);

}  // namespace veo::cli
