// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Writes the packets of a film into an MP4, by libavformat's muxer: in fragments, into memory.
//
//   FilmJoiner ── packets ──► FilmMuxer ──► take_written()
//              ── flush() ──►              a fragment
#pragma once

#include <cstdint>
#include <vector>

#include "clip_demuxer.h"
#include "libav_ptr.h"
#include "veo/core/clip_tags.h"
#include "veo/core/result.h"
#include "veo/media/clip_format.h"

namespace veo::media {

/// Veo's sound, for a film whose first clip is silent.
AudioFormat make_default_audio_format();

/// Begin the film with begin(). Each function that returns a Status fails with bad_media.
class FilmMuxer {
 public:
  FilmMuxer() = default;
  FilmMuxer(const FilmMuxer&) = delete;
  FilmMuxer& operator=(const FilmMuxer&) = delete;

  /// Begins the film with the tracks of its first clip. `format` has audio, also if the clip is
  /// silent.
  Status begin(const ClipDemuxer& clip, const ClipFormat& format, const ClipTags& tags);
  [[nodiscard]] bool has_begun() const { return film_ != nullptr; }

  // --- after begin() ---

  /// Times of packets are in the time base of their track. On the clock of the pictures a frame is
  /// a whole number of ticks.
  [[nodiscard]] AVStream& video() const { return *video_; }
  [[nodiscard]] AVStream& audio() const { return *audio_; }
  [[nodiscard]] std::int64_t frame_ticks() const { return frame_ticks_; }

  /// Writes a packet of one of the tracks. A null packet: there was no memory for the packet.
  Status write(AVStream& track, PacketPtr packet);
  /// Makes a fragment of all packets that were written since the last fragment.
  Status flush();
  /// Writes the end of the film.
  Status finish();
  /// Returns the bytes of the film that are complete, and were not taken yet.
  std::vector<std::uint8_t> take_written() { return std::exchange(written_, {}); }
  [[nodiscard]] bool has_written() const { return !written_.empty(); }

 private:
  void add_video(const ClipDemuxer& clip, FrameRate rate);
  void add_audio(const ClipDemuxer& clip, const AudioFormat& format);
  void set_metadata(const ClipTags& tags);

  std::vector<std::uint8_t> written_;  // written by the muxer, and not taken yet
  IoPtr io_;
  OutputPtr film_;
  AVStream* video_ = nullptr;
  AVStream* audio_ = nullptr;
  std::int64_t frame_ticks_ = 0;
  bool has_moov_ = false;  // the moov was written
};

}  // namespace veo::media
