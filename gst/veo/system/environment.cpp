// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/system/environment.h"

#include <unistd.h>

#include <cstdlib>
#include <string_view>

namespace veo {

std::optional<std::string> environment::get(Name name) {
  const char* value = ::secure_getenv(name.text());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

std::vector<std::string> environment::list_for_child() {
  std::vector<std::string> list;
  for (char* const* at = ::environ; at != nullptr && *at != nullptr; ++at) {
    const std::string_view variable(*at);
    if (variable.starts_with("VEO_API_KEY")) continue;
    if (variable.starts_with("CREDENTIALS_DIRECTORY=")) continue;
    list.emplace_back(variable);
  }
  return list;
}

}  // namespace veo
