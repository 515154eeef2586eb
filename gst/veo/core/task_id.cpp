// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/task_id.h"

#include <glib.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "veo/core/digest.h"
#include "veo/core/escape.h"

namespace veo {

namespace {

constexpr std::size_t longest_plain_stem = 128;
constexpr std::string_view hash_prefix = "sha256-";

/// Writes the code point for people, such as `U+001B`.
std::string write_code_point(gunichar c) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "U+%04X", c);
  return text.data();
}

}  // namespace

std::optional<std::string> find_task_id_flaw(std::string_view text) {
  if (text.empty() || text.size() > longest_task_id) {
    return "it has " + std::to_string(text.size()) + " bytes; a task id has 1 to " +
           std::to_string(longest_task_id);
  }
  if (g_utf8_validate_len(text.data(), text.size(), nullptr) == FALSE) {
    const bool has_nul = text.find('\0') != std::string_view::npos;
    return has_nul ? "it has the control character U+0000; a task id has none"
                   : "it is not valid UTF-8; a task id is";
  }
  const auto* const end = text.data() + text.size();
  for (const auto* at = text.data(); at < end; at = g_utf8_next_char(at)) {
    if (const auto c = g_utf8_get_char(at); g_unichar_iscntrl(c) != FALSE) {
      return "it has the control character " + write_code_point(c) + "; a task id has none";
    }
  }
  if (text == "." || text == "..") {
    return "it is \"" + std::string(text) + "\", which no URL can carry in its path";
  }
  return std::nullopt;
}

bool is_task_id(std::string_view text) { return !find_task_id_flaw(text); }

Status check_task_id(std::string_view name, std::string_view text) {
  const auto flaw = find_task_id_flaw(text);
  if (!flaw) return {};
  return fail({.code = ErrorCode::invalid_request,
               .message = std::string(name) + " is no task id: " + *flaw + ". Nothing was sent."});
}

std::string make_task_file_stem(std::string_view task_id) {
  const bool is_plain = !task_id.empty() && task_id.size() <= longest_plain_stem &&
                        !task_id.starts_with('.') && std::ranges::all_of(task_id, [](char c) {
                          return g_ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
                        });
  if (is_plain) return std::string(task_id);
  return std::string(hash_prefix) + compute_sha256(task_id);
}

std::string make_task_property(std::string_view task_id) {
  return quote_for_shell("task-id=" + std::string(task_id));
}

}  // namespace veo
