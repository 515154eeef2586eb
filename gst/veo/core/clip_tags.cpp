// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/clip_tags.h"

#include <array>
#include <chrono>
#include <cstdio>
#include <utility>

namespace veo {

namespace {

// A title of this length fits into the title bar of a player.
constexpr std::size_t longest_title = 80;

bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U; }

/// Returns the text with each run of white space and control characters as one space, and none at
/// the ends.
std::string make_one_line(std::string_view text) {
  std::string line;
  bool has_gap = false;
  for (const char byte : text) {
    const auto code = static_cast<unsigned char>(byte);
    if (code <= 0x20U || code == 0x7FU) {
      has_gap = true;
      continue;
    }
    if (std::exchange(has_gap, false) && !line.empty()) line += ' ';
    line += byte;
  }
  return line;
}

/// Returns the time as ISO 8601 has it; empty: the time has no year of four digits.
std::string write_date(std::int64_t unix_seconds) {
  using namespace std::chrono;
  // The service may send any number. The years from 1 to 9999 have four digits.
  if (unix_seconds < 0 || unix_seconds >= 253'402'300'800) return "";
  const sys_seconds time{seconds(unix_seconds)};
  const auto midnight = floor<days>(time);
  const year_month_day date(midnight);
  const hh_mm_ss clock(time - midnight);
  std::array<char, 32> text{};
  const auto size = std::snprintf(
      text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02dZ", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
      static_cast<int>(clock.seconds().count()));
  return {text.data(), static_cast<std::size_t>(size)};
}

}  // namespace

std::string shorten_prompt(std::string_view prompt, std::size_t longest) {
  auto line = make_one_line(prompt);
  // `cut` is the last end of a word that leaves room for the ellipsis, and `at` the last character
  // that does.
  std::size_t characters = 0;
  std::size_t cut = 0;
  std::size_t at = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (is_continuation(line[i])) continue;
    if (characters + 1 == longest) at = i;
    if (line[i] == ' ' && characters < longest) cut = i;
    if (++characters > longest) {
      line.resize(cut > 0 ? cut : at);
      return line + "…";
    }
  }
  return line;
}

std::string make_task_comment(std::string_view task_id) {
  return "veo-task-id=" + std::string(task_id);
}

std::string make_comment(const ClipTags& tags) {
  std::string comment;
  for (const auto& id : tags.task_ids) {
    comment += (comment.empty() ? "" : "\n") + make_task_comment(id);
  }
  return comment;
}

ClipTags make_clip_tags(const std::string& task_id, const std::string& prompt,
                        std::optional<std::int64_t> submitted_at) {
  auto title = shorten_prompt(prompt, longest_title);
  return {.title = title.empty() ? "Veo task " + task_id : std::move(title),
          .description = prompt,
          .task_ids = {task_id},
          .date = submitted_at ? write_date(*submitted_at) : "",
          .application = "gst-veo " VEO_VERSION};
}

ClipTags make_film_tags(std::vector<std::string> task_ids, std::size_t clips) {
  return {.title = "Veo film of " + std::to_string(clips) + " clips",
          .description = "",
          .task_ids = std::move(task_ids),
          .date = "",
          .application = "gst-veo " VEO_VERSION};
}

}  // namespace veo
