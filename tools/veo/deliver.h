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
  std::string output;               ///< empty: TASK.mp4
  bool asks_for_fragments = false;  ///< of a film in a file
};

/// add_prompt() and add_task() add an option of the table as an argument of the command.
/// add_output() adds the flag -o. add_fragmented() adds the flag --fragmented of a film.
void add_prompt(Command& command, Arguments& arguments, const std::string& names, bool required);
void add_task(Command& command, Arguments& arguments, const std::string& option);
void add_output(Command& command, Deliver& arguments);
void add_fragmented(Command& command, Deliver& arguments);

/// What the command writes: the task's clip, or the film of the chain that ends with the task.
enum class Delivered { clip, film };

/// Runs the task of the arguments, and writes its video. Returns the exit code.
int deliver(Session& session, const Deliver& arguments, Delivered what = Delivered::clip);

}  // namespace veo::cli
