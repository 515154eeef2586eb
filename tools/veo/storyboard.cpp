// SPDX-License-Identifier: LGPL-2.1-or-later
#include "storyboard.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "veo/options/option_table.h"

namespace veo::cli {

namespace {

constexpr std::string_view continue_flag = "continue";
constexpr std::string_view last_frame_flag = "from-last-frame";
constexpr std::array shot_flags{continue_flag, last_frame_flag};

bool has_flag(const BatchRequest& shot, std::string_view flag) {
  return shot.flags.contains(std::string(flag));
}

/// Returns the name of an option that the line sets, and that a continuation cannot have. Empty:
/// there is none.
std::string find_unfit_member(const BatchRequest& shot) {
  const auto is_unfit = [](const std::string& name) {
    const auto* const option = find_option(name, OptionSetter::batch);
    return option != nullptr && !option->fits_extension;
  };
  const auto found = std::ranges::find_if(shot.members, is_unfit);
  return found == shot.members.end() ? "" : *found;
}

std::string finish_shot(BatchRequest& shot, std::optional<std::size_t> before) {
  if (has_flag(shot, last_frame_flag)) {
    return "from-last-frame does not work yet, because this version of veo cannot send a picture "
           "to the service. \"continue\": true goes on where the shot before ends";
  }
  if (shot.members.contains("extend-task-id")) {
    return "a storyboard has no extend-task-id. Make the task a shot (\"task-id\": \"ID\"), and "
           "give the next shot \"continue\": true";
  }
  if (!is_continuation(shot)) return "";
  if (!before) return "the first shot cannot continue a shot before";
  if (const auto unfit = find_unfit_member(shot); !unfit.empty()) {
    return "a shot that continues another one has no " + unfit +
           ", because the service takes the prompt alone";
  }
  shot.settings.request.extend_task_id = "line " + std::to_string(*before);
  return "";
}

/// The part of a request that decides the size of its picture.
struct Frame {
  Resolution resolution = Resolution::p720;
  AspectRatio shape = AspectRatio::landscape;
};

Frame frame_of(const Request& request) {
  return {.resolution = request.resolution.value_or(Resolution::p720),
          .shape = request.aspect_ratio.value_or(AspectRatio::landscape)};
}

/// Finds the shots whose picture surely has another size than that of an earlier shot.
void check_sizes(BatchFile& file) {
  const BatchRequest* sized = nullptr;   // the first shot whose resolution is known
  const BatchRequest* shaped = nullptr;  // the first shot whose aspect ratio is known
  const auto refuse = [&file](const BatchRequest& shot, const std::string& what,
                              std::string_view its, const BatchRequest& first,
                              std::string_view that) {
    file.mistakes.emplace(shot.line, "its " + what + " is " + std::string(its) +
                                         ", and that of line " + std::to_string(first.line) +
                                         " is " + std::string(that) +
                                         ". All shots of a film have one size");
  };
  for (const auto& shot : file.requests) {
    // Nothing is known of a video that exists, or that continues another one.
    if (is_continuation(shot) || !shot.settings.task_id.empty()) continue;
    const auto frame = frame_of(shot.settings.request);
    if (sized == nullptr) sized = &shot;
    const auto first = frame_of(sized->settings.request);
    if (frame.resolution != first.resolution) {
      refuse(shot, "resolution", wire_name(frame.resolution), *sized, wire_name(first.resolution));
    }
    if (frame.shape == AspectRatio::automatic) continue;
    if (shaped == nullptr) shaped = &shot;
    const auto shape = frame_of(shaped->settings.request).shape;
    if (frame.shape != shape) {
      refuse(shot, "aspect ratio", wire_name(frame.shape), *shaped, wire_name(shape));
    }
  }
}

}  // namespace

Result<BatchFile> read_storyboard(const std::string& path, const Options& common,
                                  const Patience& patience) {
  auto file = read_batch(path, common, patience, {.flags = shot_flags, .finish = finish_shot});
  if (!file) return file;
  check_sizes(*file);
  if (file->requests.empty() && file->mistakes.empty()) {
    return fail({.code = ErrorCode::invalid_request,
                 .message = path + " has no shot. Write one JSON object a line, such as "
                                   "{\"prompt\": \"a dog in a park\"}. Nothing was sent."});
  }
  return file;
}

std::string suggest_film(const std::string& member) {
  if (std::ranges::find(shot_flags, member) == shot_flags.end()) return "";
  return ". It belongs to a storyboard, of which `veo film` makes one film";
}

bool is_continuation(const BatchRequest& shot) { return has_flag(shot, continue_flag); }

}  // namespace veo::cli
