// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A clip: what it shows, and the file that shows it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "options.h"

namespace simulator {

inline constexpr unsigned frames_per_second = 24;
inline constexpr unsigned sample_rate = 48'000;
inline constexpr unsigned samples_per_frame = sample_rate / frames_per_second;

/// A stretch made by one task.
struct Scene {
  std::string task_id;
  std::string prompt;
  unsigned first_frame = 0;  ///< the number burnt into its first picture
  unsigned frames = 0;
};

struct ClipPlan {
  std::vector<Scene> scenes;  ///< one after the other
  unsigned width = 0;
  unsigned height = 0;
  unsigned bitrate = 0;  ///< of the video, in kbit/s
  Layout layout = Layout::moov_last;

  [[nodiscard]] unsigned frames() const {
    unsigned sum = 0;
    for (const auto& scene : scenes) sum += scene.frames;
    return sum;
  }
};

struct Clip {
  std::shared_ptr<const std::string> bytes;
  std::string sha256;
};

}  // namespace simulator
