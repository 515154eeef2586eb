// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Runs one task, from its price to its file. The commands generate, extend, download, play and wait
// use this function.
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
  std::string file;  ///< where the video was written; empty: nowhere, but the cache may have it
  std::uint64_t bytes = 0;
};

/// How the film of a task is made.
struct FilmRequest {
  Join join = Join::automatic;
  bool asks_for_fragments = false;  ///< in a file, too
};

/// Waits for the task of `settings`, and writes its video to `output`. Without an output, waits
/// only for the task's end. If a reader of the output leaves early, the run still succeeds, when
/// the video is in the cache. `display` shows the progress.
///
/// With `film` the output is a film that is made in that way. The film contains the video, and the
/// videos of all earlier tasks of the chain that the ledger has.
Outcome run(Session& session, Options settings, std::optional<Output> output, Display& display,
            std::optional<FilmRequest> film = std::nullopt);

}  // namespace veo::cli
