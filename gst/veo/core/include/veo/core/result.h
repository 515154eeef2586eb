// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The result of work that can fail. gst-veo throws no exceptions of its own. A function that can
// fail returns a Result, and the compiler warns if the caller ignores it.
#pragma once

#include <tl/expected.hpp>

#include <utility>

#include "veo/core/error.h"

namespace veo {

/// A value of type T or an Error.
template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;

  /// Exists if T has an operator==. (In C++20 the operators of the base class are ambiguous.)
  friend bool operator==(const Result& one, const Result& other) {
    const tl::expected<T, Error>& left = one;
    const tl::expected<T, Error>& right = other;
    return left == right;
  }
};

/// Success without a value, or an Error.
using Status = Result<void>;

/// Makes a failed Result of any type: `return fail(error);`
inline auto fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

}  // namespace veo
