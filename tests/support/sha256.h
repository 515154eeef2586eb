// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <string_view>

namespace veo::test {

/// Computes the SHA-256 as lower-case hexadecimal digits.
std::string sha256(std::string_view bytes);

}  // namespace veo::test
