// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One task, from its price to its file: generate, extend, download, play and wait all run this.
#pragma once

#include <optional>
#include <string>

#include "command.h"
#include "display.h"
#include "output.h"
#include "veo/source/film.h"
#include "veo/source/source.h"

namespace veo::cli {

struct Outcome {
  int exit_code = 0;
  std::string task_id;
  std::string file;  ///< where the video was written; empty: nowhere (it may be in the cache)
  std::uint64_t bytes = 0;
};

/// Waits for the task of `settings`, and writes its video to `output`; without an output, waits
/// only for the task's end. A reader of the output may leave early: the run ends well, once the
/// video is in the cache. Shows on `display` what happens.
///
/// With `film` the output is a film, joined in that way: the video, and the videos of all tasks
/// before it that the ledger knows.
Outcome run(Session& session, Options settings, std::optional<Output> output, Display& display,
            std::optional<Join> film = std::nullopt);

}  // namespace veo::cli
