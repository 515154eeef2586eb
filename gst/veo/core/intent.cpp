// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/intent.h"

#include <algorithm>
#include <span>
#include <variant>

#include "veo/core/digest.h"

namespace veo {

namespace {

// The first line of the hashed text. A change in this file that changes the id of any intent needs
// a new version. After such a change no recorded intent is found again, and users pay twice. So
// there is no good reason for one.
constexpr std::string_view version = "veo-intent-1\n";

void append(std::string& text, std::string_view name, std::string_view value) {
  text.append(name).append(" ").append(std::to_string(value.size())).append(" ");
  text.append(value).append("\n");
}

// The defaults that the service documented when version 1 was made. Without images the service
// takes TEXT_2_VIDEO, so this value is the default too.
bool is_documented_default(const Request& request, std::string_view name) {
  if (name == "mode") return request.mode == Mode::fast;
  if (name == "resolution") return request.resolution == Resolution::p720;
  if (name == "aspect_ratio") return request.aspect_ratio == AspectRatio::landscape;
  if (name == "enable_translation") return request.enable_translation == true;
  if (name == "generation_type") {
    return request.generation_type == GenerationType::text && request.image_urls.empty();
  }
  return false;
}

struct Append {
  std::string& text;
  std::string_view name;

  void operator()(std::string_view value) const { append(text, name, value); }
  void operator()(std::int64_t value) const { append(text, name, std::to_string(value)); }
  void operator()(bool value) const { append(text, name, value ? "true" : "false"); }
  void operator()(std::span<const std::string> list) const {
    for (const auto& value : list) append(text, name, value);
  }
};

}  // namespace

std::string make_canonical_request(const Request& request) {
  std::string text;
  for (const auto name : list_input_fields()) {
    if (is_documented_default(request, name)) continue;
    if (const auto value = find_input_field(request, name)) std::visit(Append{text, name}, *value);
  }
  return text;
}

Intent make_intent(const Request& request, const Intent::Settings& settings) {
  auto named = request;
  if (!settings.request_id.empty()) {
    // With a request-id the user says that the pictures are the same, even if the signatures in
    // their URLs change.
    for (auto& url : named.image_urls) url.resize(std::min(url.size(), url.find('?')));
  }
  const auto canonical = make_canonical_request(named);
  std::string identity(version);
  append(identity, "api", settings.api_url);
  append(identity, "account", settings.account);
  if (!settings.request_id.empty()) {
    append(identity, "request-id", settings.request_id);
  } else {
    append(identity, "take", std::to_string(settings.take));
    identity += canonical;
  }
  return {.id = compute_sha256(identity), .request = compute_sha256(canonical)};
}

bool has_query(std::string_view url) { return url.find('?') != std::string_view::npos; }

}  // namespace veo
