// SPDX-License-Identifier: LGPL-2.1-or-later
#include "document.h"

#include <json-glib/json-glib.h>

#include <cmath>

#include "veo/json/prescan.h"

namespace veo::json {
namespace {

std::string apply_repairs(std::string_view text, const std::vector<Repair>& repairs) {
  std::string result;
  std::size_t copied = 0;
  for (const auto& repair : repairs) {
    result.append(text.substr(copied, repair.offset - copied)).append(repair.replacement);
    copied = repair.offset + repair.length;
  }
  return result.append(text.substr(copied));
}

// The macros of json-glib accept NULL, but they log a warning, so NULL is checked first.
bool holds(JsonNode* node, JsonNodeType type) {
  return node != nullptr && json_node_get_node_type(node) == type;
}

bool holds_scalar(JsonNode* node, GType type) {
  return holds(node, JSON_NODE_VALUE) && json_node_get_value_type(node) == type;
}

}  // namespace

bool Value::is_present() const { return node_ != nullptr && !holds(node_, JSON_NODE_NULL); }
bool Value::is_object() const { return holds(node_, JSON_NODE_OBJECT); }
bool Value::is_array() const { return holds(node_, JSON_NODE_ARRAY); }

Value Value::operator[](const char* member) const {
  return is_object() ? Value(json_object_get_member(json_node_get_object(node_), member)) : Value();
}

std::vector<std::pair<std::string, Value>> Value::get_members() const {
  std::vector<std::pair<std::string, Value>> result;
  if (!is_object()) return result;
  JsonObjectIter iter;
  const char* name = nullptr;
  JsonNode* node = nullptr;
  json_object_iter_init_ordered(&iter, json_node_get_object(node_));
  while (json_object_iter_next_ordered(&iter, &name, &node)) result.emplace_back(name, Value(node));
  return result;
}

std::vector<Value> Value::get_elements() const {
  std::vector<Value> result;
  if (!is_array()) return result;
  auto* const array = json_node_get_array(node_);
  const auto length = json_array_get_length(array);
  result.reserve(length);
  for (guint i = 0; i < length; ++i) result.emplace_back(json_array_get_element(array, i));
  return result;
}

std::optional<std::string> Value::get_string() const {
  if (!holds_scalar(node_, G_TYPE_STRING)) return std::nullopt;
  return json_node_get_string(node_);
}

std::optional<std::int64_t> Value::get_integer() const {
  if (!holds_scalar(node_, G_TYPE_INT64)) return std::nullopt;
  return json_node_get_int(node_);
}

std::optional<double> Value::get_number() const {
  if (const auto integer = get_integer()) return static_cast<double>(*integer);
  if (!holds_scalar(node_, G_TYPE_DOUBLE)) return std::nullopt;
  const double value = json_node_get_double(node_);
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

void Document::Unref::operator()(JsonNode* node) const { json_node_unref(node); }

Result<Document> Document::parse(std::string_view text) {
  const auto repairs = prescan(text);
  if (!repairs) return fail(repairs.error());
  GError* failure = nullptr;
  auto* const root = json_from_string(apply_repairs(text, *repairs).c_str(), &failure);
  const std::unique_ptr<GError, decltype(&g_error_free)> owned(failure, g_error_free);
  if (root != nullptr) return Document(root);
  Error error;
  error.code = ErrorCode::bad_response;
  error.message = "Not usable JSON";
  error.message += failure != nullptr ? std::string(": ") + failure->message : ".";
  return fail(std::move(error));
}

}  // namespace veo::json
