// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>
#include <initializer_list>
#include <limits>
#include <utility>

#include "document.h"
#include "veo/json/codec.h"

namespace veo::json {
namespace {

/// A value, and where it is, as people write it: `generation.rules[2].name`.
struct Place {
  Value value;
  std::string path;

  Place operator[](const char* member) const {
    return {value[member], path.empty() ? member : path + "." + member};
  }
};

/// Reads strictly, and keeps the first mistake: what is read after it may be anything, since
/// whoever reads looks at mistake() at the end. This keeps the readers below free of everything but
/// the format.
class Reader {
 public:
  [[nodiscard]] const std::optional<std::string>& mistake() const { return mistake_; }

  void expect(bool condition, const Place& place, const std::string& what) {
    if (!condition && !mistake_) mistake_ = (place.path.empty() ? "it" : place.path) + " " + what;
  }

  /// A misspelt member must not be read as one that was left out.
  void object(const Place& place, std::initializer_list<std::string_view> known) {
    expect(place.value.is_object(), place, "is not an object");
    for (const auto& [name, value] : place.value.members()) {
      expect(std::ranges::find(known, name) != known.end(), {value, place.path},
             "has an unknown member '" + name + "'");
    }
  }

  std::string string(const Place& place) {
    auto text = place.value.string();
    expect(text && !text->empty(), place, "is not a non-empty string");
    return std::move(text).value_or("");
  }

  std::string field(const Place& place) {
    auto name = string(place);
    const auto known = input_field_names();
    expect(std::ranges::find(known, name) != known.end(), place,
           "names the field '" + name + "', which the API does not have");
    return name;
  }

  std::optional<std::int64_t> bound(const Place& place) {
    if (!place.value.present()) return std::nullopt;
    const auto number = place.value.integer();
    expect(number.has_value(), place, "is not an integer");
    return number;
  }

  std::uint32_t number_of(const char* unit, const Place& place) {
    const auto number = place.value.integer();
    expect(number && *number >= 0 && *number <= std::numeric_limits<std::uint32_t>::max(), place,
           std::string("is not a number of ") + unit);
    return static_cast<std::uint32_t>(number.value_or(0));
  }

  /// Each element through `read`; absent is empty.
  template <class Read>
  auto list(const Place& place, Read read) {
    expect(!place.value.present() || place.value.is_array(), place, "is not an array");
    std::vector<decltype(read(place))> result;
    for (const auto& element : place.value.elements()) {
      result.push_back(read({element, place.path + "[" + std::to_string(result.size()) + "]"}));
    }
    return result;
  }

  /// Each member through `read`; absent is empty.
  template <class Read>
  auto map(const Place& place, Read read) {
    expect(!place.value.present() || place.value.is_object(), place, "is not an object");
    std::map<std::string, decltype(read(place))> result;
    for (const auto& [name, value] : place.value.members()) {
      result.emplace(name, read({value, place.path + "." + name}));
    }
    return result;
  }

 private:
  std::optional<std::string> mistake_;
};

Condition read_condition(Reader& reader, const Place& place) {
  reader.object(place, {"field", "values", "min", "max"});
  Condition condition;
  condition.field = reader.field(place["field"]);
  condition.values = reader.list(place["values"], [&](const Place& p) { return reader.string(p); });
  condition.min = reader.bound(place["min"]);
  condition.max = reader.bound(place["max"]);
  reader.expect(!condition.values.empty() || condition.min || condition.max, place,
                "has neither 'values' nor 'min' nor 'max'");
  return condition;
}

Rule read_rule(Reader& reader, const Place& place) {
  reader.object(place, {"name", "message", "when", "require"});
  const auto condition = [&](const Place& p) { return read_condition(reader, p); };
  Rule rule;
  rule.name = reader.string(place["name"]);
  rule.message = reader.string(place["message"]);
  rule.when = reader.list(place["when"], condition);
  rule.require = reader.list(place["require"], condition);
  reader.expect(!rule.require.empty(), place["require"], "is empty");
  return rule;
}

Model read_model(Reader& reader, const Place& place) {
  reader.object(place, {"name", "fields", "defaults", "rules", "credits", "seconds"});
  Model model;
  model.name = reader.string(place["name"]);
  model.fields = reader.list(place["fields"], [&](const Place& p) { return reader.field(p); });
  reader.expect(!model.fields.empty(), place["fields"], "is empty");
  model.defaults = reader.map(place["defaults"], [&](const Place& p) { return reader.string(p); });
  for (const auto& [name, value] : model.defaults) {
    reader.expect(std::ranges::find(model.fields, name) != model.fields.end(), place["defaults"],
                  "names '" + name + "', which is none of 'fields'");
  }
  model.rules = reader.list(place["rules"], [&](const Place& p) { return read_rule(reader, p); });
  model.credits = reader.map(place["credits"], [&](const Place& mode) {
    return reader.map(mode, [&](const Place& p) { return reader.number_of("credits", p); });
  });
  model.seconds =
      reader.map(place["seconds"], [&](const Place& p) { return reader.number_of("seconds", p); });
  return model;
}

Error unusable(const std::string& why) {
  Error error;
  error.code = ErrorCode::invalid_request;
  error.message = "The catalog cannot be used: " + why;
  return error;
}

}  // namespace

Result<Catalog> decode_catalog(std::string_view text) {
  const auto document = Document::parse(text);
  if (!document) return fail(unusable(document.error().message));

  Reader reader;
  const Place root{document->root(), ""};
  reader.object(
      root, {"format", "source", "generation", "extension", "extend_credits", "extend_seconds"});
  reader.expect(root["format"].value.integer() == 1, root["format"], "is not 1");
  reader.string(root["source"]);
  Catalog catalog;
  catalog.generation = read_model(reader, root["generation"]);
  catalog.extension = read_model(reader, root["extension"]);
  if (root["extend_credits"].value.present()) {
    catalog.extend_credits = reader.number_of("credits", root["extend_credits"]);
  }
  if (root["extend_seconds"].value.present()) {
    catalog.extend_seconds = reader.number_of("seconds", root["extend_seconds"]);
  }
  if (reader.mistake()) return fail(unusable(*reader.mistake() + "."));
  return catalog;
}

}  // namespace veo::json
