// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/system/absolute_path.h"

#include <filesystem>

namespace veo {

std::string make_absolute(const std::string& path) {
  if (path.empty() || path.front() == '/' || path.find("://") != std::string::npos) return path;
  std::error_code error;
  const auto directory = std::filesystem::current_path(error);
  return error ? path : (directory / path).string();
}

}  // namespace veo
