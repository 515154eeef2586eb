// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Real Veo files, which are not part of the repository.
#pragma once

#include <optional>
#include <string>

namespace veo::test {

/// In the folder `VEO_TEST_CLIPS`, else `../shared/clips` beside the sources. nullopt: the test has
/// to be skipped, with a message that names the file.
std::optional<std::string> clip_path(const std::string& name);

}  // namespace veo::test
