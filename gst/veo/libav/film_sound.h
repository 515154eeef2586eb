// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The sound of a film: one AAC frame in each slot of 1,024 samples, without a muxer.
//
// A decoder makes the samples of a slot from the frame in the slot and the frame before. So where
// the film goes from one clip to another, or to silence and back, the film needs a frame that no
// clip has (sound_join.h). This frame takes the place of the last one before the join. Therefore
// FilmSound holds the newest frame back until the next one, or the film's end, is known:
//
//   clip A      … A8  A9                 ─► A9 is held back; A8 is kept
//   clip B      … b   B0  B1 …           ─► b is priming, and never heard
//   the film    … A8  X   B0  B1 …       X is made from A8, A9, b and B0, and replaces A9
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libav_ptr.h"
#include "sound_join.h"
#include "veo/core/result.h"
#include "veo/media/byte_stream.h"

namespace veo::media {

/// Samples of an AAC-LC frame, for each channel.
inline constexpr int aac_frame = 1024;

/// Puts the AAC frames of clips into the slots of a film. Each slot belongs to the clip in which
/// the slot begins (within half a slot), and holds the clip's nearest frame. Where a clip has no
/// sound, the slots hold silence. All times are samples: those of the film begin with the film's
/// first sample, those of a clip when the clip's first picture is shown.
class FilmSound {
 public:
  /// Writes a packet with the sound of one slot. Each slot is written once, in order.
  using Write = std::function<Status(PacketPtr packet)>;

  struct Settings {
    /// The film's sound. Frames of clips with other channels are decoded as this sound, too.
    std::shared_ptr<const AVCodecParameters> parameters;
    /// Begin with the frame before the first one that is heard, if the clip has it. That frame is
    /// in the slot before the film's first sample, so the film must have an edit list. Without that
    /// frame the film's first 1,024 samples are not those of the clip.
    bool keeps_priming = false;
  };

  FilmSound(Settings settings, Write write)
      : settings_(std::move(settings)), write_(std::move(write)), joiner_(settings_.parameters) {}

  /// `clip` must live until end_clip(). The clip begins at `start` in the film.
  void begin_clip(const ByteStream& clip, std::int64_t start);
  /// Takes a frame of the clip, which sounds at `time` of the clip; negative: it never sounds.
  void add(PacketPtr frame, std::int64_t time);
  /// Writes the frames that begin before `end` of the film. The last one is held back.
  Status write_until(std::int64_t end);
  /// Writes silence into the slots that begin before `end` of the film. The last slot is held back.
  Status write_silence(std::int64_t end);
  /// Ends the clip, which lasts until `end` of the film.
  Status end_clip(std::int64_t end);
  /// Writes the frame that is held back. Call finish() once, after the last clip.
  Status finish();

  /// Whether the next slot begins before `end` of the film, by more than half a slot.
  [[nodiscard]] bool has_slot_before(std::int64_t end) const {
    return slots_ * aac_frame < end - aac_frame / 2;
  }
  /// Returns a sentence for users about each join whose sound is not exact, since the last call.
  std::vector<std::string> take_notices() { return std::exchange(notices_, {}); }

 private:
  using FrameBytes = std::vector<std::uint8_t>;

  /// Which frame of which clip; clip 0 is silence.
  struct Id {
    std::uint64_t clip = 0;
    std::int64_t frame = 0;
    bool operator==(const Id&) const = default;
  };
  struct Sound {
    Id id;
    FrameBytes bytes;       // empty: no frame
    std::int64_t time = 0;  // in the film
  };

  /// Puts a frame into the next slot. `before` is the frame that precedes it where it comes from.
  Status put(Sound next, const Sound& before);
  /// Replaces the frame that is held back, so that `next` can follow.
  void make_join(const Sound& next, const Sound& before);
  Status write_held();
  [[nodiscard]] Sound make_silence() const;

  const Settings settings_;
  const Write write_;
  SoundJoiner joiner_;
  std::uint64_t clips_ = 0;           // so far
  const ByteStream* clip_ = nullptr;  // null: no clip is being read
  std::int64_t start_ = 0;            // of that clip
  std::int64_t frames_ = 0;           // of that clip so far
  int joins_ = 0;                     // in that clip so far
  std::deque<Sound> sounds_;          // frames that were read, but may lie behind the clip's end
  Sound passed_;                      // the frame of that clip before the first of `sounds_`
  std::int64_t slots_ = 0;            // in the film so far
  Sound previous_;                    // the film's frame before `held_`
  Sound held_;                        // the film's newest frame, which is not written yet
  std::int64_t held_slot_ = 0;
  std::vector<std::string> notices_;
};

}  // namespace veo::media
