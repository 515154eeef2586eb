// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Real Veo files. They are not part of the repository.
#pragma once

#include <optional>
#include <string>

namespace veo::test {

/// Finds the file in the folder `VEO_TEST_CLIPS`, or else in `../shared/clips` beside the sources.
/// Returns nullopt if there is none: then the test must skip itself, with a message that names the
/// file.
std::optional<std::string> clip_path(const std::string& name);

}  // namespace veo::test
