// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A JSON document, read only. A value can be absent. A member that does not exist is an absent
// value, and so is a member of a value that is not an object. So code can follow a path without a
// check at each step. No value is converted to another type.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "veo/core/result.h"

typedef struct _JsonNode JsonNode;

namespace veo::json {

/// A value of a document, or an absent value. Valid as long as its Document.
class Value {
 public:
  Value() = default;
  explicit Value(JsonNode* node) : node_(node) {}

  /// Whether there is a value. False for an absent value and for `null`.
  [[nodiscard]] bool is_present() const;
  [[nodiscard]] bool is_object() const;
  [[nodiscard]] bool is_array() const;

  /// The member of an object; an absent value if there is none.
  [[nodiscard]] Value operator[](const char* member) const;
  /// The members of an object in the document's order; empty for any other value.
  [[nodiscard]] std::vector<std::pair<std::string, Value>> get_members() const;
  /// The elements of an array; empty for any other value.
  [[nodiscard]] std::vector<Value> get_elements() const;

  // These return nullopt if the value has another type.
  [[nodiscard]] std::optional<std::string> get_string() const;
  [[nodiscard]] std::optional<std::int64_t> get_integer() const;
  /// An integer or a floating-point number; nullopt also for an infinite number.
  [[nodiscard]] std::optional<double> get_number() const;

 private:
  JsonNode* node_ = nullptr;
};

/// A parsed document. Owns its values.
class Document {
 public:
  /// Parses the text. prescan() checks it first. Fails with bad_response.
  static Result<Document> parse(std::string_view text);

  [[nodiscard]] Value root() const { return Value(root_.get()); }

 private:
  struct Unref {
    void operator()(JsonNode* node) const;
  };
  explicit Document(JsonNode* root) : root_(root) {}
  std::unique_ptr<JsonNode, Unref> root_;
};

}  // namespace veo::json
