// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A storyboard is a file of JSON lines with one shot of a film in each line. A shot is a request as
// in a batch file (batch_file.h). The member `continue` says that the shot continues the shot
// before, so shots form chains:
//
//   {"prompt": "a dog in a park"}                       chain 1
//   {"prompt": "it finds a ball", "continue": true}
//   {"prompt": "a cat on a roof"}                       chain 2
//
// The film has all shots in the order of the lines.
#pragma once

#include <string>

#include "batch_file.h"

namespace veo::cli {

/// Reads a storyboard as read_batch() reads a batch, and finds the mistakes that only a storyboard
/// can have. The task that a shot continues has no id before it is submitted, so the number of the
/// parent's line stands for it in `extend_task_id` (`line 1`), and in the name of the request.
Result<BatchFile> read_storyboard(const std::string& path, const Options& common,
                                  const Patience& patience);

/// Returns the end of a sentence about a member that only a storyboard has: `veo film` takes it.
/// Empty: a storyboard does not have the member, either.
std::string suggest_film(const std::string& member);

/// Whether the shot continues the shot before.
bool is_continuation(const BatchRequest& shot);

}  // namespace veo::cli
