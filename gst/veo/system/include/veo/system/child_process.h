// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Child processes. Each child gets an environment without the key
// (environment::list_for_child()).
#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <optional>
#include <string>

#include "veo/system/patience.h"

namespace veo {

/// How a child process begins.
struct ChildSettings {
  /// The descriptors that become standard input, output and error. -1: the child gets ours.
  std::array<int, 3> streams{-1, -1, -1};
  sigset_t signal_mask{};  ///< zeroed: no signal is blocked
};

/// Runs a line in /bin/sh, and returns the child's id. The caller reaps the child. nullopt and
/// errno: the child could not be started.
std::optional<pid_t> spawn_shell(const std::string& line, const ChildSettings& settings);

/// Whether the child has ended. Does not reap the child.
bool has_child_ended(pid_t child);
/// Sends the signal to the child, its children and their children. Sends SIGKILL to those that have
/// not ended after half a second. Does not reap the child.
void end_child_family(pid_t child, int signal);

/// What a command printed, and how it ended.
struct CommandResult {
  enum class End {
    exited,       ///< with `status`
    signalled,    ///< by the signal `status`
    not_started,  ///< `status` is the errno
    timed_out,
    cancelled,
    flooded,  ///< it printed more than `most_output`
    unknown,  ///< the application reaps the children of the process, and so their status
  };
  End end = End::unknown;
  int status = 0;
  std::string output;  ///< standard output
  std::string errors;  ///< the end of standard error, at most 4 KiB
};

/// Runs a line in /bin/sh, with /dev/null as its standard input, and waits for its end. A process
/// that the command leaves behind is not waited for. If the time is over, ends the command.
CommandResult run_command(const std::string& line, std::size_t most_output,
                          const Patience& patience);

}  // namespace veo
