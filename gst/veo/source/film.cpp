// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/source/film.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <optional>
#include <utility>

#include "veo/core/escape.h"
#include "veo/media/library.h"

namespace veo {

namespace {

constexpr std::uint64_t second = 24;  // frames: Veo's rate

/// Frames that each step adds to the film.
std::vector<std::uint64_t> own_frames(const FilmSteps& steps) {
  std::vector<std::uint64_t> own;
  for (const auto& step : steps) {
    const auto before = std::accumulate(own.begin() + static_cast<std::ptrdiff_t>(step.first),
                                        own.end(), std::uint64_t{0});
    own.push_back(step.frames - std::min(step.frames, before));
  }
  return own;
}

template <class Number>
bool read_number(std::string_view text, Number& into) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
  return error == std::errc{} && end == text.data() + text.size();
}

}  // namespace

std::string to_text(const FilmSteps& steps) {
  std::string text;
  for (const auto& step : steps) {
    if (!text.empty()) text += ",";
    text += percent_encode(step.task_id) + ":" + std::to_string(step.first) + ":" +
            std::to_string(step.frames);
  }
  return text;
}

FilmSteps parse_film_steps(std::string_view text) {
  FilmSteps steps;
  while (!text.empty()) {
    const auto one = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), one.size() + 1));
    const auto id = one.substr(0, one.find(':'));
    auto task_id = percent_decode(id);
    const auto rest = one.substr(std::min(one.size(), id.size() + 1));
    const auto first = rest.substr(0, rest.find(':'));
    const auto frames = rest.substr(std::min(rest.size(), first.size() + 1));
    if (!task_id) return {};
    FilmStep step{.task_id = std::move(*task_id)};
    if (!read_number(first, step.first) || !read_number(frames, step.frames) ||
        step.first > steps.size()) {
      return {};
    }
    steps.push_back(std::move(step));
  }
  return steps;
}

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
  if (join == Join::append) return steps.size();
  if (join == Join::replace) return std::size_t{0};
  const auto own = own_frames(steps);
  // Frames of the film from the step on.
  auto after = std::accumulate(own.begin(), own.end(), std::uint64_t{0});
  std::optional<std::vector<media::Picture>> pictures;
  for (std::size_t i = 0; i < steps.size(); after -= own[i], ++i) {
    if (file_frames < after + second) continue;
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
    if (media::are_alike(*there, *pictures)) return i;
  }
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
    steps.push_back({.task_id = id, .first = *first, .frames = *frames});
  }
  return steps;
}

}  // namespace veo
