// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/system/environment.h"

#include <cstdlib>

namespace veo {

std::optional<std::string> environment::get(const char* name) {
  const char* value = ::secure_getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

}  // namespace veo
