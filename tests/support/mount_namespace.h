// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

namespace veo::test {

/// Gives this process mounts of its own, which end with the process. Call it in a child process
/// that has one thread. Returns why the machine does not allow it; empty: done.
std::string enter_mount_namespace();
/// Makes the directory read-only, for this process and its children, also for root. Returns why
/// that failed; empty: done.
std::string make_read_only(const std::string& directory);

}  // namespace veo::test
