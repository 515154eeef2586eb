// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

namespace veo {

/// Writes the library's log to stderr, if VEO_LOG names a level (`error`, `warning`, `info`,
/// `debug` or `trace`) and no other sink is set. The environment is read once in a process. Another
/// value of VEO_LOG is told on stderr. Any thread.
void log_to_stderr();

}  // namespace veo
