// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

namespace veo {

/// Writes the library's log to stderr, if VEO_LOG names a level (`error`, `warning`, `info`,
/// `debug` or `trace`) and no other sink is set. The function reads the environment once in a
/// process. If VEO_LOG has any other value, the function says so on stderr. Any thread.
void log_to_stderr();

}  // namespace veo
