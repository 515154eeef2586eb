// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A check of untrusted JSON before json-glib parses it. The check is needed because json-glib 1.6
// crashes on deep nesting, accepts comments, empty input and a second document after the first, and
// reads `"x\u0000y"` as `"x"`.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "veo/core/result.h"

namespace veo::json {

constexpr std::size_t max_body = std::size_t{1} << 20U;  ///< in bytes
constexpr unsigned max_depth = 32;                       ///< of nested arrays and objects

/// A place in a valid document that json-glib 1.6 would misread, and a text that it reads
/// correctly.
struct Repair {
  std::size_t offset = 0;        ///< of the first byte to replace
  std::size_t length = 0;        ///< the number of bytes to replace
  std::string_view replacement;  ///< in static storage
  bool operator==(const Repair&) const = default;
};

/// Checks that `text` is exactly one JSON document (RFC 8259, valid UTF-8) within both limits, and
/// that no string contains a NUL. Fails with bad_response; the message names the byte offset.
///
/// Returns the repairs, in the order of their offsets. Few documents need one. An integer beyond 64
/// bits becomes a floating-point number, because json-glib reads 99999999999999999999 as -1. Half
/// of a surrogate pair becomes U+FFFD, because json-glib may take the next character, or the end of
/// the string, for the other half.
Result<std::vector<Repair>> prescan(std::string_view text);

}  // namespace veo::json
