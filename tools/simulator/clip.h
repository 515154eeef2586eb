// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A clip: its content and its file.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "options.h"

namespace simulator {

inline constexpr unsigned frames_per_second = 24;
inline constexpr unsigned sample_rate = 48'000;
inline constexpr unsigned samples_per_frame = sample_rate / frames_per_second;

/// The part of a clip that one task made.
struct Scene {
  std::string task_id;
  std::string prompt;
  unsigned first_frame = 0;  ///< the number that is drawn into its first picture
  unsigned frames = 0;
};

/// The content of a clip.
struct ClipPlan {
  std::vector<Scene> scenes;  ///< in the order of time
  unsigned width = 0;         ///< in pixels
  unsigned height = 0;        ///< in pixels
  unsigned bitrate = 0;       ///< of the video, in kbit/s
  Layout layout = Layout::moov_last;

  [[nodiscard]] unsigned frames() const {
    unsigned sum = 0;
    for (const auto& scene : scenes) sum += scene.frames;
    return sum;
  }
};

/// The file of a clip.
struct Clip {
  std::shared_ptr<const std::string> bytes;
  std::string sha256;  ///< in lower-case hexadecimal digits
};

}  // namespace simulator
