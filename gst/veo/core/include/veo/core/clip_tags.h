// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a clip or a film says about itself, in the tags of a stream and in the file. Equal tasks
// always have equal tags, because the tags are a part of the bytes: two readers of one task must
// see the same bytes, even if one of them reads the second half a week later.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace veo {

/// All texts are valid UTF-8. An empty text is no tag.
struct ClipTags {
  std::string title;
  /// The prompt. Empty unless the user wants the prompt in files, because a prompt may be private.
  std::string description;
  std::vector<std::string> task_ids;  ///< in the film's order
  std::string date;                   ///< when the task was submitted: `2026-11-25T12:13:14Z`
  std::string application;            ///< `gst-veo 0.1.0`
  bool operator==(const ClipTags&) const = default;
};

/// Makes the tags of one task's clip. The title is the prompt, shortened; without a prompt, the
/// title names the task. `submitted_at` is in Unix seconds; nullopt: not known.
ClipTags make_clip_tags(const std::string& task_id, const std::string& prompt,
                        std::optional<std::int64_t> submitted_at);

/// Makes the tags of a film of `clips` clips, as far as the tasks are known. A film has no prompt
/// of its own, so its title counts the clips, and the caller sets the description.
ClipTags make_film_tags(std::vector<std::string> task_ids, std::size_t clips);

/// Returns `veo-task-id=ID`, by which programs find the task.
std::string make_task_comment(std::string_view task_id);

/// Returns the comment of a file: one line for each task. A task id has no line break.
std::string make_comment(const ClipTags& tags);

/// Makes one line of a prompt, of at most `longest` characters. A longer prompt ends at a word,
/// with `…`.
std::string shorten_prompt(std::string_view prompt, std::size_t longest);

}  // namespace veo
