// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Parses any bytes as a URI of a playlist, and as a task id within a URI. The parsed task id must
// equal the written one. This is an entry for libFuzzer.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "veo/core/escape.h"
#include "veo/core/task_id.h"
#include "veo/options/uri.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  for (const auto* const begin : {"", "veo:", "veo:clip?prompt=x&image-urls="}) {
    const auto uri = veo::parse_uri(begin + text);
    veo::Options settings;
    if (!uri || !veo::set_uri(settings, *uri)) continue;
    if (settings.task_id != uri->task_id || settings.by_uri != uri->task_id.empty()) std::abort();
  }
  const auto named = veo::parse_uri("veo:task/" + veo::percent_encode(text));
  if (named.has_value() != veo::is_task_id(text)) std::abort();
  if (named && named->task_id != text) std::abort();
  const auto stem = veo::make_task_file_stem(text);
  if (stem.empty() || stem.size() > 128 || stem.starts_with('.') ||
      stem.find('/') != std::string::npos) {
    std::abort();
  }
  static_cast<void>(veo::quote_for_shell(text));
  static_cast<void>(veo::escape_text(text, 100));
  return 0;
}
