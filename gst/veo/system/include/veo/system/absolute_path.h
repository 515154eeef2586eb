// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

namespace veo {

/// Puts the working directory before a relative path, so that the path still means the same file
/// after the application has changed its directory. Does not change an empty path, an absolute path
/// or a URI (`scheme://…`), and does not look at the disk. If there is no working directory, the
/// path stays as it is.
std::string make_absolute(const std::string& path);

}  // namespace veo
