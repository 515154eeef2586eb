// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>
#include <initializer_list>
#include <limits>
#include <utility>

#include "document.h"
#include "veo/core/url_policy.h"
#include "veo/json/codec.h"

namespace veo::json {
namespace {

/// A value and its path in the document, as people write it: `generation.rules[2].name`.
struct Place {
  Value value;
  std::string path;

  Place operator[](const char* member) const {
    return {value[member], path.empty() ? member : path + "." + member};
  }
};

/// Decodes values of expected types and remembers the first mistake. After a mistake the functions
/// return any value; the caller checks mistake() at the end. So the functions below contain the
/// format and no error handling.
class Decoder {
 public:
  [[nodiscard]] const std::optional<std::string>& mistake() const { return mistake_; }

  /// Remembers the mistake that `place` has, described by `what`, unless `condition`.
  void expect(bool condition, const Place& place, const std::string& what) {
    if (!condition && !mistake_) mistake_ = (place.path.empty() ? "it" : place.path) + " " + what;
  }

  /// Expects an object whose members are all in `known`. A misspelt member must not count as a
  /// member that was left out.
  void check_members(const Place& place, std::initializer_list<std::string_view> known) {
    expect(place.value.is_object(), place, "is not an object");
    for (const auto& [name, value] : place.value.get_members()) {
      expect(std::ranges::find(known, name) != known.end(), {value, place.path},
             "has an unknown member '" + name + "'");
    }
  }

  std::string decode_string(const Place& place) {
    auto text = place.value.get_string();
    expect(text && !text->empty(), place, "is not a non-empty string");
    return std::move(text).value_or("");
  }

  std::string decode_field(const Place& place) {
    auto name = decode_string(place);
    const auto known = list_input_fields();
    expect(std::ranges::find(known, name) != known.end(), place,
           "names the field '" + name + "', which the API does not have");
    return name;
  }

  std::string decode_host(const Place& place) {
    auto host = decode_string(place);
    const auto origin = parse_origin("https://" + host);
    expect(origin && origin->host == host, place,
           "is not the name of a host, in lower case and without a scheme or port");
    return host;
  }

  std::optional<std::int64_t> decode_bound(const Place& place) {
    if (!place.value.is_present()) return std::nullopt;
    const auto number = place.value.get_integer();
    expect(number.has_value(), place, "is not an integer");
    return number;
  }

  std::uint32_t decode_number(const char* unit, const Place& place) {
    const auto number = place.value.get_integer();
    expect(number && *number >= 0 && *number <= std::numeric_limits<std::uint32_t>::max(), place,
           std::string("is not a number of ") + unit);
    return static_cast<std::uint32_t>(number.value_or(0));
  }

  /// Decodes each element of an array with `read`. An absent value is an empty array.
  template <class Read>
  auto decode_list(const Place& place, Read read) {
    expect(!place.value.is_present() || place.value.is_array(), place, "is not an array");
    std::vector<decltype(read(place))> result;
    for (const auto& element : place.value.get_elements()) {
      result.push_back(read({element, place.path + "[" + std::to_string(result.size()) + "]"}));
    }
    return result;
  }

  /// Decodes each member of an object with `read`. An absent value is an empty object.
  template <class Read>
  auto decode_map(const Place& place, Read read) {
    expect(!place.value.is_present() || place.value.is_object(), place, "is not an object");
    std::map<std::string, decltype(read(place))> result;
    for (const auto& [name, value] : place.value.get_members()) {
      result.emplace(name, read({value, place.path + "." + name}));
    }
    return result;
  }

 private:
  std::optional<std::string> mistake_;
};

Condition decode_condition(Decoder& decoder, const Place& place) {
  decoder.check_members(place, {"field", "values", "min", "max"});
  Condition condition;
  condition.field = decoder.decode_field(place["field"]);
  condition.values = decoder.decode_list(place["values"],
                                         [&](const Place& p) { return decoder.decode_string(p); });
  condition.min = decoder.decode_bound(place["min"]);
  condition.max = decoder.decode_bound(place["max"]);
  decoder.expect(!condition.values.empty() || condition.min || condition.max, place,
                 "has neither 'values' nor 'min' nor 'max'");
  return condition;
}

Rule decode_rule(Decoder& decoder, const Place& place) {
  decoder.check_members(place, {"name", "message", "when", "require"});
  const auto condition = [&](const Place& p) { return decode_condition(decoder, p); };
  Rule rule;
  rule.name = decoder.decode_string(place["name"]);
  rule.message = decoder.decode_string(place["message"]);
  rule.when = decoder.decode_list(place["when"], condition);
  rule.require = decoder.decode_list(place["require"], condition);
  decoder.expect(!rule.require.empty(), place["require"], "is empty");
  return rule;
}

Model decode_model(Decoder& decoder, const Place& place) {
  decoder.check_members(place, {"name", "fields", "defaults", "rules", "credits", "seconds"});
  Model model;
  model.name = decoder.decode_string(place["name"]);
  model.fields =
      decoder.decode_list(place["fields"], [&](const Place& p) { return decoder.decode_field(p); });
  decoder.expect(!model.fields.empty(), place["fields"], "is empty");
  model.defaults = decoder.decode_map(place["defaults"],
                                      [&](const Place& p) { return decoder.decode_string(p); });
  for (const auto& [name, value] : model.defaults) {
    decoder.expect(std::ranges::find(model.fields, name) != model.fields.end(), place["defaults"],
                   "names '" + name + "', which is none of 'fields'");
  }
  model.rules =
      decoder.decode_list(place["rules"], [&](const Place& p) { return decode_rule(decoder, p); });
  model.credits = decoder.decode_map(place["credits"], [&](const Place& mode) {
    return decoder.decode_map(mode,
                              [&](const Place& p) { return decoder.decode_number("credits", p); });
  });
  model.seconds = decoder.decode_map(
      place["seconds"], [&](const Place& p) { return decoder.decode_number("seconds", p); });
  return model;
}

Error make_unusable_error(const std::string& why) {
  Error error;
  error.code = ErrorCode::invalid_request;
  error.message = "The catalog cannot be used: " + why;
  return error;
}

}  // namespace

Result<Catalog> decode_catalog(std::string_view text) {
  const auto document = Document::parse(text);
  if (!document) return fail(make_unusable_error(document.error().message));

  Decoder decoder;
  const Place root{document->root(), ""};
  decoder.check_members(root, {"format", "source", "generation", "extension", "extend_credits",
                               "extend_seconds", "file_hosts"});
  decoder.expect(root["format"].value.get_integer() == 1, root["format"], "is not 1");
  decoder.decode_string(root["source"]);
  Catalog catalog;
  catalog.generation = decode_model(decoder, root["generation"]);
  catalog.extension = decode_model(decoder, root["extension"]);
  if (root["extend_credits"].value.is_present()) {
    catalog.extend_credits = decoder.decode_number("credits", root["extend_credits"]);
  }
  if (root["extend_seconds"].value.is_present()) {
    catalog.extend_seconds = decoder.decode_number("seconds", root["extend_seconds"]);
  }
  catalog.file_hosts = decoder.decode_list(root["file_hosts"],
                                           [&](const Place& p) { return decoder.decode_host(p); });
  if (decoder.mistake()) return fail(make_unusable_error(*decoder.mistake() + "."));
  return catalog;
}

}  // namespace veo::json
