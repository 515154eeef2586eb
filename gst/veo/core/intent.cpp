// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/intent.h"

#include <algorithm>
#include <span>
#include <variant>

#include "veo/core/digest.h"

namespace veo {

namespace {

// The first line of what is hashed. A change of anything in this file that changes an intent's id
// needs another version, and makes every recorded intent a stranger: there is no good reason.
constexpr std::string_view version = "veo-intent-1\n";

void append(std::string& text, std::string_view name, std::string_view value) {
  text.append(name).append(" ").append(std::to_string(value.size())).append(" ");
  text.append(value).append("\n");
}

// API.md's defaults, as the service documented them when version 1 was made. With no images,
// TEXT_2_VIDEO is what the service takes anyway.
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
  for (const auto name : input_field_names()) {
    if (is_documented_default(request, name)) continue;
    if (const auto value = input_field(request, name)) std::visit(Append{text, name}, *value);
  }
  return text;
}

Intent make_intent(const Request& request, const Intent::Settings& settings) {
  auto named = request;
  if (!settings.request_id.empty()) {
    // The caller's word that it is the same picture, whatever its signature is today.
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
