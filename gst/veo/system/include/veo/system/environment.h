// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The only reader of the environment.
#pragma once

#include <optional>
#include <string>

namespace veo::environment {

/// DESIGN §3: empty counts as unset, and everything is ignored in a setuid program. Read at each
/// use, so that an application may change it between two pipelines.
std::optional<std::string> get(const char* name);

}  // namespace veo::environment
