// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What veolivesrc shows while no clip plays. A tick of filler costs one GstBuffer without memory of
// its own: all ticks share the memory of one picture and of one piece of silence.
//
//   filler         the picture
//   black          black, or the picture of `filler-location`
//   freeze         the last frame that was shown; before the first frame as black
//   transparent    nothing, in formats with an alpha channel; in other formats as black
#pragma once

#include <gst/audio/audio.h>
#include <gst/gst.h>
#include <gst/video/video.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "gstveoliveplaylist.h"
#include "veo/core/result.h"
#include "veo/system/guarded.h"

namespace veo::plugin {

class PictureLoader;

class LiveFiller {
 public:
  enum class Kind { black, freeze, transparent };
  /// A clip that is under way and late holds its last frame, whatever the kind is.
  enum class Reason { no_clip, late_clip };

  /// Warnings come from `element`, which must outlive the filler.
  explicit LiveFiller(GstElement* element);
  ~LiveFiller();
  LiveFiller(const LiveFiller&) = delete;
  LiveFiller& operator=(const LiveFiller&) = delete;

  // --- the application's threads ---

  void set_kind(Kind kind);
  [[nodiscard]] Kind kind() const;
  /// Takes a picture file; empty: none. The file is read when the format is known.
  void set_location(const std::string& location);
  /// Forgets the formats and the frames. No streaming thread runs.
  void stop();

  // --- streaming threads ---

  /// Downstream has taken the caps. Begins to read the picture file on a thread of its own.
  /// Posts a WARNING if the format cannot be transparent as the application wants.
  void set_format(const GstVideoInfo& format);
  /// `samples` is the most that silence() will be asked for.
  void set_format(const GstAudioInfo& format, std::size_t samples);
  /// Returns a picture without times. The caller may change the buffer, not its memory.
  Buffer picture(Reason reason) const;
  /// Returns a piece of silence without times.
  Buffer silence(std::size_t samples) const;
  /// A clip's frame is about to be shown.
  void on_frame(GstBuffer* frame);

 private:
  struct State {
    Kind kind = Kind::black;
    std::string location;
    std::optional<GstVideoInfo> format;
    std::size_t bytes_per_sample = 0;
    Buffer black;
    Buffer transparent;  // null if the format has no alpha channel
    Buffer picture;      // of the file; null: no file, or not yet
    Buffer last;         // the last frame that was shown
    Buffer silence;
    unsigned picture_number = 0;  // of the picture that is wanted now
    bool has_warned = false;      // that the format cannot be transparent
  };

  void load_picture();
  void warn_if_opaque();

  GstElement* const element_;
  Guarded<State> state_;
  Guarded<std::unique_ptr<PictureLoader>> loader_;
};

}  // namespace veo::plugin
