// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/catalog.h"

#include <glib.h>

#include <algorithm>
#include <memory>
#include <span>
#include <utility>
#include <variant>

#include "veo/core/escape.h"
#include "veo/core/owned_text.h"
#include "veo/core/task_id.h"

namespace veo {
namespace {

const Model& find_model(const Request& request, const Catalog& catalog) {
  return request.is_extension() ? catalog.extension : catalog.generation;
}

Status refuse(const std::string& rule, const std::string& message) {
  Error error;
  error.code = ErrorCode::invalid_request;
  error.message = rule + ": " + message;
  return fail(std::move(error));
}

/// Finds the value of the field in the request, or its documented default.
std::optional<FieldValue> find_effective_value(const Request& request, const Model& model,
                                               const std::string& field) {
  if (const auto value = find_input_field(request, field)) return value;
  const auto fallback = model.defaults.find(field);
  if (fallback == model.defaults.end()) return std::nullopt;
  return std::string_view(fallback->second);
}

/// Writes a value as a catalog spells it. Returns nullopt for a list, which is not a single value.
struct Spelling {
  using Text = std::optional<std::string>;
  Text operator()(std::string_view text) const { return std::string(text); }
  Text operator()(std::int64_t number) const { return std::to_string(number); }
  Text operator()(bool flag) const { return flag ? "true" : "false"; }
  Text operator()(std::span<const std::string>) const { return std::nullopt; }
};

/// Finds the number that `min` and `max` compare. Returns nullopt for a boolean.
struct Measure {
  using Number = std::optional<std::int64_t>;
  Number operator()(std::string_view text) const {
    return g_utf8_strlen(text.data(), static_cast<gssize>(text.size()));
  }
  Number operator()(std::int64_t number) const { return number; }
  Number operator()(bool) const { return std::nullopt; }
  Number operator()(std::span<const std::string> list) const {
    return static_cast<std::int64_t>(list.size());
  }
};

bool is_met(const Condition& condition, const std::optional<FieldValue>& value) {
  if (!value) return condition.values.empty() && !condition.min;
  if (!condition.values.empty()) {
    const auto text = std::visit(Spelling{}, *value);
    if (!text || std::ranges::find(condition.values, *text) == condition.values.end()) return false;
  }
  if (!condition.min && !condition.max) return true;
  const auto number = std::visit(Measure{}, *value);
  return number && *number >= condition.min.value_or(*number) &&
         *number <= condition.max.value_or(*number);
}

Status check_text(const std::string& name, std::string_view text) {
  // g_utf8_validate_len() refuses a NUL. JSON parsers cut a text at a NUL, so this is right.
  if (g_utf8_validate_len(text.data(), text.size(), nullptr)) return {};
  return refuse("valid-text", "'" + name + "' is not valid UTF-8, or contains a NUL.");
}

/// Whether a prompt can mean the character: the character is in none of the Unicode categories Z
/// (separators), C (controls and formats) and P (punctuation). An emoji is a symbol.
bool has_meaning(gunichar character) {
  switch (g_unichar_type(character)) {
    case G_UNICODE_UNASSIGNED:
      // Unicode keeps these planes' blocks for pictures, and an emoji may be newer than GLib.
      return character >= 0x1F000 && character <= 0x1FAFF;
    case G_UNICODE_CONTROL:
    case G_UNICODE_FORMAT:
    case G_UNICODE_PRIVATE_USE:
    case G_UNICODE_SURROGATE:
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR:
    case G_UNICODE_SPACE_SEPARATOR:
    case G_UNICODE_CONNECT_PUNCTUATION:
    case G_UNICODE_DASH_PUNCTUATION:
    case G_UNICODE_CLOSE_PUNCTUATION:
    case G_UNICODE_FINAL_PUNCTUATION:
    case G_UNICODE_INITIAL_PUNCTUATION:
    case G_UNICODE_OTHER_PUNCTUATION:
    case G_UNICODE_OPEN_PUNCTUATION:
      return false;
    default:
      return true;
  }
}

/// Refuses a prompt that nobody means, because the service would take the credits for it. A rule of
/// the catalog refuses the empty prompt.
Status check_prompt(const std::string& prompt) {
  constexpr std::size_t longest_shown = 40;
  for (const char* at = prompt.c_str(); *at != '\0'; at = g_utf8_next_char(at)) {
    if (has_meaning(g_utf8_get_char(at))) return {};
  }
  if (prompt.empty()) return {};
  std::string hint = "Is a variable of your shell empty?";
  if (prompt == "-") {
    hint =
        "The prompt is not read from standard input. To take it from a file, write "
        "\"$(cat prompt.txt)\".";
  } else if (prompt == "!") {
    hint += " gst-launch-1.0 takes the next word of the line for the value of an empty prompt=.";
  }
  return refuse("prompt-says-nothing", "The prompt \"" + escape_text(prompt, longest_shown) +
                                           "\" has only white space and punctuation. " + hint);
}

/// Checks that the URL is an absolute http or https URL with a host, and has no character that a
/// URL must not contain. The path and the query are not checked, because only the service uses
/// them.
Status check_http_url(const std::string& name, const std::string& url) {
  if (auto checked = check_text(name, url); !checked) return checked;
  char* scheme = nullptr;
  char* host = nullptr;
  const bool parsed =
      g_uri_split_network(url.c_str(), G_URI_FLAGS_NONE, &scheme, &host, nullptr, nullptr) != FALSE;
  const OwnedText owned_scheme(scheme);
  const OwnedText owned_host(host);
  const bool web = parsed && *host != '\0' &&
                   (std::string_view(scheme) == "http" || std::string_view(scheme) == "https");
  // RFC 3986 allows neither spaces nor control characters. g_uri_split_network() accepts both.
  const bool clean =
      std::ranges::none_of(url, [](char c) { return g_ascii_isspace(c) || g_ascii_iscntrl(c); });
  if (web && clean) return {};
  return refuse("http-url",
                "'" + name + "' must be an http or https URL, which the service can reach.");
}

Status check_texts(const Request& request) {
  for (const auto field : list_input_fields()) {
    const auto value = find_input_field(request, field);
    const auto* const text = value ? std::get_if<std::string_view>(&*value) : nullptr;
    if (text == nullptr) continue;
    if (auto checked = check_text(std::string(field), *text); !checked) return checked;
  }
  return {};
}

Status check_references(const Request& request) {
  for (const auto& url : request.image_urls) {
    if (auto checked = check_http_url("image_urls", url); !checked) return checked;
  }
  if (request.callback_url) {
    if (auto checked = check_http_url("callback_url", *request.callback_url); !checked) {
      return checked;
    }
  }
  if (request.extend_task_id) {
    if (const auto flaw = find_task_id_flaw(*request.extend_task_id)) {
      return refuse("task-id", "'extend_task_id' is no task id: " + *flaw + ".");
    }
  }
  return {};
}

Status check_fields(const Request& request, const Model& model) {
  for (const auto name : list_input_fields()) {
    if (find_input_field(request, name) &&
        std::ranges::find(model.fields, name) == model.fields.end()) {
      return refuse("field-not-taken", "'" + std::string(name) + "' is set, but the model " +
                                           model.name + " does not take it; leave it unset.");
    }
  }
  return {};
}

/// Writes the value of the field as a catalog spells it. Returns "" if there is no single value.
std::string spell_field(const Request& request, const Model& model, const std::string& field) {
  const auto value = find_effective_value(request, model, field);
  return value ? std::visit(Spelling{}, *value).value_or("") : "";
}

Status check_rules(const Request& request, const Model& model) {
  const auto met = [&](const Condition& condition) {
    return is_met(condition, find_effective_value(request, model, condition.field));
  };
  for (const auto& rule : model.rules) {
    if (std::ranges::all_of(rule.when, met) && !std::ranges::all_of(rule.require, met)) {
      return refuse(rule.name, rule.message);
    }
  }
  return {};
}

}  // namespace

Status validate(const Request& request, const Catalog& catalog) {
  const auto& model = find_model(request, catalog);
  // The texts come first, because the later checks count characters and show texts to people.
  if (auto checked = check_texts(request); !checked) return checked;
  if (auto checked = check_prompt(request.prompt); !checked) return checked;
  if (auto checked = check_references(request); !checked) return checked;
  if (auto checked = check_fields(request, model); !checked) return checked;
  return check_rules(request, model);
}

std::optional<std::uint32_t> find_price(const Request& request, const Catalog& catalog) {
  if (request.is_extension()) return catalog.extend_credits;
  const auto& model = catalog.generation;
  const auto mode = model.credits.find(spell_field(request, model, "mode"));
  if (mode == model.credits.end()) return std::nullopt;
  const auto credits = mode->second.find(spell_field(request, model, "resolution"));
  if (credits == mode->second.end()) return std::nullopt;
  return credits->second;
}

std::optional<std::chrono::seconds> find_expected_time(const Request& request,
                                                       const Catalog& catalog) {
  if (request.is_extension()) {
    if (!catalog.extend_seconds) return std::nullopt;
    return std::chrono::seconds(*catalog.extend_seconds);
  }
  const auto& model = catalog.generation;
  const auto mode = model.seconds.find(spell_field(request, model, "mode"));
  if (mode == model.seconds.end()) return std::nullopt;
  return std::chrono::seconds(mode->second);
}

}  // namespace veo
