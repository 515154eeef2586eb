// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The outcome of fallible work. Nothing in gst-veo throws on purpose: what can fail says so in its
// type, and the compiler refuses to let the answer drop.
#pragma once

#include <tl/expected.hpp>

#include <utility>

#include "veo/core/error.h"

namespace veo {

template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;

  /// Where T has one. (C++20 finds those of the base ambiguous.)
  friend bool operator==(const Result& one, const Result& other) {
    const tl::expected<T, Error>& left = one;
    const tl::expected<T, Error>& right = other;
    return left == right;
  }
};

/// Success without a value.
using Status = Result<void>;

/// `return fail(error);` from any function that returns a Result.
inline auto fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

}  // namespace veo
