// SPDX-License-Identifier: LGPL-2.1-or-later
#include "api_rules.h"

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>
#include <vector>

#include "api_errors.h"

namespace simulator {
namespace {

enum class Type { string, object, boolean, integer, strings };

struct Field {
  std::string_view name;
  Type type;
  bool required = false;
  std::vector<std::string_view> values = {};  ///< the allowed values; empty for any value
};

// The fields are in tables, so that this code looks like the documentation of the API.

const std::vector<Field> request_fields = {
    {"model", Type::string, true},
    {"input", Type::object, true},
    {"callback_url", Type::string},
};

const std::vector<Field> generation_fields = {
    {"prompt", Type::string, true},
    {"mode", Type::string, false, {"fast", "quality", "lite"}},
    {"resolution", Type::string, false, {"720p", "1080p", "4k"}},
    {"aspect_ratio", Type::string, false, {"16:9", "9:16", "Auto"}},
    {"generation_type",
     Type::string,
     false,
     {"TEXT_2_VIDEO", "FIRST_AND_LAST_FRAMES_2_VIDEO", "REFERENCE_2_VIDEO"}},
    {"image_urls", Type::strings},
    {"enable_translation", Type::boolean},
    {"seeds", Type::integer},
    {"watermark", Type::string},
};

const std::vector<Field> extension_fields = {
    {"prompt", Type::string, true},
    {"extend_task_id", Type::string, true},
};

const std::map<std::string_view, std::map<std::string_view, std::int64_t>> credits = {
    {"fast", {{"720p", 40}, {"1080p", 50}, {"4k", 120}}},
    {"quality", {{"720p", 300}, {"1080p", 310}, {"4k", 380}}},
    {"lite", {{"720p", 20}, {"1080p", 30}, {"4k", 100}}},
};

[[noreturn]] void refuse(const std::string& message) { throw ApiError("invalid_request", message); }

void require(bool kept, const std::string& message) {
  if (!kept) refuse(message);
}

bool has_type(const Json& value, Type type) {
  switch (type) {
    case Type::string:
      return value.is_string();
    case Type::object:
      return value.is_object();
    case Type::boolean:
      return value.is_boolean();
    case Type::integer:
      return value.is_number_integer();
    case Type::strings:
      return value.is_array() && std::all_of(value.begin(), value.end(),
                                             [](const Json& one) { return one.is_string(); });
  }
  return false;
}

std::string_view name_of(Type type) {
  static constexpr std::array<std::string_view, 5> names = {"a string", "an object", "a boolean",
                                                            "an integer", "an array of strings"};
  return names.at(static_cast<std::size_t>(type));
}

void check_fields(const Json& object, std::span<const Field> fields) {
  for (const auto& [name, value] : object.items()) {
    const auto known = std::any_of(fields.begin(), fields.end(),
                                   [&name = name](const Field& one) { return one.name == name; });
    require(known, "'" + name + "' is not a parameter.");
  }
  for (const auto& field : fields) {
    const auto quoted = "'" + std::string(field.name) + "'";
    const auto found = object.find(field.name);
    if (found == object.end()) {
      require(!field.required, quoted + " is required.");
      continue;
    }
    require(has_type(*found, field.type),
            quoted + " must be " + std::string(name_of(field.type)) + ".");
    if (field.values.empty()) continue;
    const auto value = found->get<std::string>();
    require(std::find(field.values.begin(), field.values.end(), value) != field.values.end(),
            quoted + " has an invalid value: '" + value + "'.");
  }
}

bool is_web_url(std::string_view text) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (text.starts_with(scheme)) return text.size() > scheme.size();
  }
  return false;
}

/// Checks the rules that concern several fields.
void check_generation_input(const Json& input) {
  const auto images = input.value("image_urls", std::vector<std::string>());
  require(std::all_of(images.begin(), images.end(), is_web_url),
          "'image_urls' must be http or https URLs.");
  require(images.size() <= 3, "'image_urls' has more than 3 images.");
  if (const auto seeds = input.find("seeds"); seeds != input.end())
    require(*seeds >= 10000 && *seeds <= 99999, "'seeds' must be from 10000 to 99999.");

  const auto type = input.value("generation_type", "");
  if (type == "TEXT_2_VIDEO") require(images.empty(), "TEXT_2_VIDEO takes no 'image_urls'.");
  if (type == "FIRST_AND_LAST_FRAMES_2_VIDEO")
    require(images.size() == 1 || images.size() == 2,
            "FIRST_AND_LAST_FRAMES_2_VIDEO takes 1 or 2 'image_urls'.");
  if (type == "REFERENCE_2_VIDEO") {
    require(!images.empty(), "REFERENCE_2_VIDEO takes 1 to 3 'image_urls'.");
    require(input.value("mode", "fast") == "fast", "REFERENCE_2_VIDEO is only for mode 'fast'.");
    require(input.value("aspect_ratio", "16:9") != "Auto",
            "REFERENCE_2_VIDEO is only for aspect_ratio '16:9' and '9:16'.");
  }
}

/// Whether the type is "application/json", with or without parameters.
bool is_json(const std::string* content_type) {
  if (content_type == nullptr) return false;
  const auto media_type = content_type->substr(0, content_type->find_first_of("; \t"));
  return media_type == "application/json";
}

}  // namespace

Generation check_generation(const Request& request, std::int64_t extend_credits) {
  require(is_json(request.find_header("Content-Type")), "Content-Type must be application/json.");
  const auto body = Json::parse(request.body, nullptr, false);
  require(!body.is_discarded(), "The body is not valid JSON.");
  require(body.is_object(), "The body must be an object.");
  check_fields(body, request_fields);

  Generation generation;
  generation.model = body.at("model");
  const bool extends = generation.model == "veo-3-extend";
  if (!extends && generation.model != "veo-3")
    throw ApiError("model_not_found", "The model '" + generation.model + "' does not exist.");
  generation.callback_url = body.value("callback_url", "");
  require(!body.contains("callback_url") || is_web_url(generation.callback_url),
          "'callback_url' must be an http or https URL.");

  const auto& input = body.at("input");
  check_fields(input, extends ? extension_fields : generation_fields);
  generation.prompt = input.at("prompt");
  require(!generation.prompt.empty(), "'prompt' is required.");
  if (extends) {
    generation.extend_task_id = input.at("extend_task_id");
    generation.credits = extend_credits;
    return generation;
  }
  check_generation_input(input);
  generation.resolution = input.value("resolution", generation.resolution);
  generation.aspect_ratio = input.value("aspect_ratio", generation.aspect_ratio);
  generation.credits = credits.at(input.value("mode", "fast")).at(generation.resolution);
  return generation;
}

}  // namespace simulator
