// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A film of several tasks, each of which continues the one before: its steps. The service does not
// say what the file of a continuation holds, and other Veo services do it either way:
//
//   step                1     2      3
//   continuations       A     B      C          the film is A B C
//   whole films         A     AB     ABC        the film is ABC
//   with the parent     A     AB     BC         the film is A BC: what is in front of the overlap
//                                               comes from the files of the steps before it
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "veo/core/result.h"
#include "veo/media/byte_stream.h"
#include "veo/options/options.h"

namespace veo {

struct FilmStep {
  std::string task_id;
  std::size_t first = 0;     ///< index of the step with which its file begins
  std::uint64_t frames = 0;  ///< of its file; 0: not known
  bool operator==(const FilmStep&) const = default;
};
using FilmSteps = std::vector<FilmStep>;

/// "A:0:192,B:0:384", and back, with the ids percent-encoded; what is no such text is no steps.
std::string to_text(const FilmSteps& steps);
FilmSteps parse_film_steps(std::string_view text);

/// The tasks whose files, one after the other, are the film of the first `count` steps.
std::vector<std::string> files_of(const FilmSteps& steps, std::size_t count);

/// Where another step's file begins: the index of a step that is there, or, of a continuation
/// alone, their number.
///
/// It begins with a step that is there if it is longer by a second or more than all from that step
/// on, and its pictures of the first second are those with which that step begins. Where several
/// would do, it is the earliest. With another Join than automatic, that is the user's word.
///
/// `parent` has the film so far, and is read up to a second of it; `open` gives other tasks' files.
/// Fails with what they fail with.
using OpenTask =
    std::function<Result<std::unique_ptr<media::ByteStream>>(const std::string& task_id)>;
Result<std::size_t> find_beginning(const FilmSteps& steps, Join join, media::ByteStream& parent,
                                   media::ByteStream& file, std::uint64_t file_frames,
                                   const OpenTask& open);

/// The steps of a film by its tasks, each the continuation of the one before (read_chain()), by
/// what their files show.
Result<FilmSteps> find_steps(const std::vector<std::string>& chain, const OpenTask& open);

}  // namespace veo
