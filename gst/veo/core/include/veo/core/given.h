// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <type_traits>
#include <utility>

namespace veo {

/// A field of a table's row that every row must set. `Given` has no default constructor, so a row
/// that leaves the field out does not compile.
template <class Value>
struct Given {
  constexpr Given(Value given)  // NOLINT(google-explicit-constructor)
      : value(std::move(given)) {}
  /// For a value that converts: `Given<std::string_view> name = "prompt"`.
  template <class Other>
  requires(std::is_class_v<Value>&& std::is_convertible_v<Other, Value>) constexpr Given(
      Other&& other)  // NOLINT(google-explicit-constructor)
      : value(std::forward<Other>(other)) {}
  constexpr operator const Value&() const {  // NOLINT(google-explicit-constructor)
    return value;
  }

  Value value;
};

}  // namespace veo
