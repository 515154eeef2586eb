// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The only reader of the environment.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "veo/system/environment_table.h"

namespace veo::environment {

/// Returns the variable's value; nullopt if it is unset or empty, and always in a setuid program.
/// Reads the environment at each call, so that an application may change it between two pipelines.
std::optional<std::string> get(Name name);

/// Returns the environment of a child process, as texts NAME=VALUE: that of this process without
/// the variables that hold or find the key (VEO_API_KEY… and CREDENTIALS_DIRECTORY).
std::vector<std::string> list_for_child();

}  // namespace veo::environment
