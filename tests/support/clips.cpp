// SPDX-License-Identifier: LGPL-2.1-or-later
#include "clips.h"

#include <cstdlib>
#include <filesystem>

namespace veo::test {

std::optional<std::string> clip_path(const std::string& name) {
  const char* const given = std::getenv("VEO_TEST_CLIPS");
  const std::filesystem::path folder =
      given != nullptr && *given != '\0'
          ? std::filesystem::path(given)
          : std::filesystem::path(VEO_SOURCE_ROOT) / "../shared/clips";
  const auto path = folder / name;
  if (!std::filesystem::is_regular_file(path)) return std::nullopt;
  return path.string();
}

}  // namespace veo::test
