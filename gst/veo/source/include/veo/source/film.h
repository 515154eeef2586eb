// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A film of several tasks. Each task is a step of the film, and continues the step before. The
// service does not say what the file of a continuation contains. At other Veo services the file
// contains one of these:
//
//   step                1     2      3
//   continuations       A     B      C          the film is A B C
//   complete films      A     AB     ABC        the film is ABC
//   with the parent     A     AB     BC         the film is A BC: A comes from the file of step 1
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "veo/core/result.h"
#include "veo/media/byte_stream.h"
#include "veo/media/library.h"
#include "veo/options/options.h"

namespace veo {

struct FilmStep {
  std::string task_id;
  std::size_t first = 0;     ///< index of the step with which the file of this step begins
  std::uint64_t frames = 0;  ///< of the step's file; 0: not known
  bool operator==(const FilmStep&) const = default;
};
using FilmSteps = std::vector<FilmStep>;

/// Returns the tasks whose files, one after the other, are the film of the first `count` steps.
std::vector<std::string> files_of(const FilmSteps& steps, std::size_t count);

/// Finds the step with which the next step's file begins: the index of a step in `steps`, or
/// steps.size() if the file is the continuation alone.
///
/// A file begins with a step if it is longer by a second or more than the film from that step on,
/// and if the pictures of its first second are those with which that step begins. If this is so for
/// several steps, the earliest step counts. If `join` is not automatic, the user decides.
///
/// `parent` is a stream of the film so far. The function reads at most one second of `parent`, and
/// gets the files of other tasks from `open`. Fails with the errors of these streams.
using OpenTask =
    std::function<Result<std::unique_ptr<media::ByteStream>>(const std::string& task_id)>;
Result<std::size_t> find_beginning(const media::Library& media, const FilmSteps& steps, Join join,
                                   media::ByteStream& parent, media::ByteStream& file,
                                   std::uint64_t file_frames, const OpenTask& open);

/// Finds the steps of a film from the contents of its tasks' files. Each task continues the task
/// before (see read_chain()).
Result<FilmSteps> find_steps(const media::Library& media, const std::vector<std::string>& chain,
                             const OpenTask& open);

}  // namespace veo
