// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Writes the packets of a film into an MP4, by libavformat's muxer.
//
//   FilmJoiner ── packets ──► FilmMuxer ──► fragments in memory: take_written()
//              ── flush() ──►           └─► or a plain MP4 in a FilmFile
//
// A plain MP4 begins as `ftyp free mdat`, and the mdat grows. finish() shifts the mdat towards the
// end of the file by the size of the moov, in pieces of that size, and puts the moov before it
// (libavformat's `faststart`).
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "clip_demuxer.h"
#include "libav_ptr.h"
#include "veo/core/clip_tags.h"
#include "veo/core/result.h"
#include "veo/media/clip_format.h"
#include "veo/media/film_file.h"
#include "veo/media/joiner.h"

namespace veo::media {

/// Veo's sound, for a film whose first clip is silent.
AudioFormat make_default_audio_format();

/// Begin the film with begin(). Each function that returns a Status fails with bad_media, and with
/// the errors of the file.
class FilmMuxer {
 public:
  explicit FilmMuxer(const Joiner::Settings& settings) : settings_(settings) {}
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
  /// Ends a fragment: it has all packets that were written since the fragment before. In a plain
  /// MP4 these packets become two chunks, one for each track.
  Status flush();
  /// Writes the end of the film. `frames`: the number of frames in the film.
  Status finish(std::uint64_t frames);
  /// Returns the bytes of the film that are complete, and were not taken yet.
  std::vector<std::uint8_t> take_written() { return std::exchange(written_, {}); }
  [[nodiscard]] bool has_written() const { return !written_.empty(); }

 private:
  static int write_bytes(void* opaque, const std::uint8_t* bytes, int size);
  static int read_bytes(void* opaque, std::uint8_t* into, int size);
  static std::int64_t seek(void* opaque, std::int64_t offset, int whence);
  static int open_again(AVFormatContext* film, AVIOContext** io, const char* url, int flags,
                        AVDictionary** options);
  static int close_again(AVFormatContext* film, AVIOContext* io);

  /// The place in the file at which one AVIOContext reads or writes.
  struct Place {
    FilmMuxer* muxer = nullptr;
    std::uint64_t offset = 0;
  };

  void open_output();
  void add_video(const ClipDemuxer& clip, FrameRate rate);
  void add_audio(const ClipDemuxer& clip, const AudioFormat& format);
  void set_metadata(const ClipTags& tags);
  Status write_now(AVPacket& packet);
  int write_trailer();
  Status lengthen_audio_edit();
  Status write_held_sounds(std::size_t keep);
  [[nodiscard]] tl::unexpected<Error> fail_with(std::string message) const;

  const Joiner::Settings settings_;
  std::optional<Error> file_error_;    // of the FilmFile
  std::vector<std::uint8_t> written_;  // fragments that were not taken yet
  Place writing_{this};
  Place reading_{this};
  std::uint64_t size_ = 0;  // of the file
  IoPtr io_;
  IoPtr reader_io_;  // while finish() shifts the media
  OutputPtr film_;
  AVStream* video_ = nullptr;
  AVStream* audio_ = nullptr;
  std::int64_t frame_ticks_ = 0;
  std::deque<PacketPtr> held_sounds_;  // for the next chunk of a plain MP4
  bool has_priming_ = false;           // sound before the first frame
  bool has_moov_ = false;              // the moov was written
};

}  // namespace veo::media
