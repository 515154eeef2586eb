// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/source/film.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "veo/core/log.h"
#include "veo/media/library.h"

namespace veo {

using log::Category;

namespace {

constexpr std::uint64_t second = 24;  // frames, at Veo's rate

/// Returns how many frames each step adds to the film.
std::vector<std::uint64_t> count_own_frames(const FilmSteps& steps) {
  std::vector<std::uint64_t> own;
  for (const auto& step : steps) {
    const auto before = std::accumulate(own.begin() + static_cast<std::ptrdiff_t>(step.first),
                                        own.end(), std::uint64_t{0});
    own.push_back(step.frames - std::min(step.frames, before));
  }
  return own;
}

}  // namespace

std::vector<std::string> files_of(const FilmSteps& steps, std::size_t count) {
  std::vector<std::string> files;
  while (count > 0) {
    files.insert(files.begin(), steps[count - 1].task_id);
    count = steps[count - 1].first;
  }
  return files;
}

Result<std::size_t> find_beginning(const media::Library& media, const FilmSteps& steps, Join join,
                                   media::ByteStream& parent, media::ByteStream& file,
                                   std::uint64_t file_frames, const OpenTask& open) {
  if (join != Join::automatic) {
    log::debug(Category::film, "join=", join, " decides, whatever the file shows");
    return join == Join::append ? steps.size() : std::size_t{0};
  }
  const auto own = count_own_frames(steps);
  // The film's frames from this step on.
  auto after = std::accumulate(own.begin(), own.end(), std::uint64_t{0});
  std::optional<std::vector<media::Picture>> pictures;
  for (std::size_t i = 0; i < steps.size(); after -= own[i], ++i) {
    if (file_frames < after + second) {
      log::debug(Category::film, "the file of ", file_frames, " frames does not contain step ",
                 i + 1, ": the film from there has ", after, " frames");
      continue;
    }
    if (!pictures) {
      auto read = media.read_pictures(file, 0, second);
      if (!read) return fail(std::move(read.error()));
      pictures = std::move(*read);
    }
    Result<std::vector<media::Picture>> there;
    if (i == 0) {
      there = media.read_pictures(parent, 0, second);
    } else {
      auto opened = open(steps[i].task_id);
      if (!opened) return fail(std::move(opened.error()));
      there = media.read_pictures(**opened, steps[i].frames - own[i], second);
    }
    if (!there) return fail(std::move(there.error()));
    const bool are_alike = media::are_alike(*there, *pictures);
    log::debug(Category::film, "the file of ", file_frames, " frames begins as step ", i + 1,
               ", task ", log::text(steps[i].task_id), ", does: ", are_alike, ", by ",
               pictures->size(), " and ", there->size(), " pictures; the film from there has ",
               after, " frames");
    if (are_alike) return i;
  }
  log::debug(Category::film, "the file of ", file_frames, " frames contains none of ", steps.size(),
             " steps: it is the continuation alone");
  return steps.size();
}

Result<FilmSteps> find_steps(const media::Library& media, const std::vector<std::string>& chain,
                             const OpenTask& open) {
  FilmSteps steps;
  for (const auto& id : chain) {
    auto file = open(id);
    if (!file) return fail(std::move(file.error()));
    auto parent = open(steps.empty() ? id : files_of(steps, steps.size()).front());
    if (!parent) return fail(std::move(parent.error()));
    const auto frames = media.count_frames(**file);
    if (!frames) return fail(frames.error());
    const auto first =
        find_beginning(media, steps, Join::automatic, **parent, **file, *frames, open);
    if (!first) return fail(first.error());
    log::info(Category::film, "step ", steps.size() + 1, " is task ", log::text(id),
              ", whose file of ", *frames, " frames begins with step ", *first + 1);
    steps.push_back({.task_id = id, .first = *first, .frames = *frames});
  }
  return steps;
}

}  // namespace veo
