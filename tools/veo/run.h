// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A task from its price to its file: what generate, extend, download, play and wait have in common.
#pragma once

#include <optional>
#include <string>

#include "command.h"
#include "display.h"
#include "output.h"
#include "veo/source/film.h"
#include "veo/source/source.h"

namespace veo::cli {

/// What came of it.
struct Outcome {
  int exit_code = 0;
  std::string task_id;
  std::string file;  ///< where the video is now; empty: nowhere but in the cache
  std::uint64_t bytes = 0;
};

/// Waits for the task of `settings`, and writes its video to `output`; without one, waits for its
/// end alone. A reader who leaves early ends it well, when the video is in the cache. Tells all
/// there is to tell.
///
/// `film`: what is written is the film of the video's chain, of all tasks before it that the record
/// knows, joined in that way.
Outcome run(Session& session, Options settings, std::optional<Output> output, Display& display,
            std::optional<Join> film = std::nullopt);

}  // namespace veo::cli
