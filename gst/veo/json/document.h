// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A JSON document to read from. Absence is a value: looking for a member where there is none, or in
// something that is no object, gives an absent one, so that a path can be followed without a check
// at each step. Nothing is ever coerced.
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

/// A view; valid as long as its Document.
class Value {
 public:
  Value() = default;
  explicit Value(JsonNode* node) : node_(node) {}

  /// False for what is absent, and for `null`.
  [[nodiscard]] bool present() const;
  [[nodiscard]] bool is_object() const;
  [[nodiscard]] bool is_array() const;

  [[nodiscard]] Value operator[](const char* member) const;
  /// In the document's order; empty for what is no object, or no array.
  [[nodiscard]] std::vector<std::pair<std::string, Value>> members() const;
  [[nodiscard]] std::vector<Value> elements() const;

  // nullopt for any other type.
  [[nodiscard]] std::optional<std::string> string() const;
  [[nodiscard]] std::optional<std::int64_t> integer() const;
  [[nodiscard]] std::optional<double> number() const;  ///< integers too; finite

 private:
  JsonNode* node_ = nullptr;
};

class Document {
 public:
  /// Fails with bad_response: see prescan().
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
