// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/media/clip_format.h"

#include <algorithm>
#include <cmath>

namespace veo::media {

namespace {

// Files with a coarse clock round their rate. 24 and 23.976 differ by a thousandth.
bool is_same(FrameRate a, FrameRate b) {
  const double left = static_cast<double>(a.frames) * b.seconds;
  const double right = static_cast<double>(b.frames) * a.seconds;
  return std::abs(left - right) < 5e-4 * right;
}

}  // namespace

std::string describe(const ClipFormat& format) {
  const auto& video = format.video;
  auto text = std::to_string(video.width) + "x" + std::to_string(video.height) + " " + video.codec +
              " at " + std::to_string(video.rate.frames);
  if (video.rate.seconds != 1) text += "/" + std::to_string(video.rate.seconds);
  text += " frames/s, ";
  if (!format.audio) return text + "no sound";
  return text + format.audio->codec + " at " + std::to_string(format.audio->sample_rate) + " Hz";
}

std::optional<Error> find_mismatch(const ClipFormat& film, const ClipFormat& clip) {
  const auto& a = film.video;
  const auto& b = clip.video;
  const bool same_video =
      a.codec == b.codec && a.width == b.width && a.height == b.height && is_same(a.rate, b.rate);
  const bool same_audio = !film.audio || !clip.audio ||
                          (film.audio->codec == clip.audio->codec &&
                           film.audio->sample_rate == clip.audio->sample_rate);
  if (same_video && same_audio) return std::nullopt;
  return Error{.code = ErrorCode::bad_media,
               .message = "It is " + describe(clip) + ", and cannot follow " + describe(film) +
                          " without being encoded anew."};
}

bool have_same_parameter_sets(std::span<const ClipFormat> clips) {
  return !clips.empty() && std::ranges::all_of(clips, [&clips](const ClipFormat& clip) {
    return !clip.parameter_sets.empty() && clip.parameter_sets == clips.front().parameter_sets;
  });
}

}  // namespace veo::media
