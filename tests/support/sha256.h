// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <string_view>

namespace veo::test {

/// Lower-case hexadecimal.
std::string sha256(std::string_view bytes);

}  // namespace veo::test
