// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The commands that end with a video: generate, extend and download.
#pragma once

#include <optional>
#include <string>

#include "command.h"
#include "veo/source/film.h"

namespace veo::cli {

struct Deliver : Arguments {
  std::string output;  ///< empty: TASK.mp4
};

/// A shared option that is an argument of its own here.
void add_prompt(CLI::App& command, Arguments& arguments, const std::string& names, bool required);
void add_task(CLI::App& command, Arguments& arguments, const std::string& option);
void add_output(CLI::App& command, Deliver& arguments);

/// `film`: see run(). Returns the exit code.
int deliver(Session& session, const Deliver& arguments, std::optional<Join> film = std::nullopt);

}  // namespace veo::cli
