// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Untrusted JSON is looked over before json-glib sees it: json-glib 1.6 crashes on deep nesting,
// and accepts comments, trailing documents, empty input, and `"x\u0000y"` as `"x"`.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "veo/core/result.h"

namespace veo::json {

constexpr std::size_t max_body = std::size_t{1} << 20U;  ///< bytes
constexpr unsigned max_depth = 32;

/// A place in a valid document that json-glib 1.6 would misread, and what it reads as meant.
struct Repair {
  std::size_t offset = 0;        ///< of the first byte to replace
  std::size_t length = 0;        ///< bytes to replace
  std::string_view replacement;  ///< static storage
  bool operator==(const Repair&) const = default;
};

/// Succeeds if `text` is exactly one JSON document (RFC 8259, valid UTF-8) within both limits,
/// with no NUL in any string. Fails with bad_response, naming the byte offset.
/// The repairs, in the order of their offsets, concern what few documents have: integers beyond 64
/// bits (json-glib makes -1 of 99999999999999999999) become floating point, and halves of surrogate
/// pairs (it may take the next character, or the string's end, for the other half) become U+FFFD.
Result<std::vector<Repair>> prescan(std::string_view text);

}  // namespace veo::json
