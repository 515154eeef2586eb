// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Reads one clip's packets from a ByteStream, by libavformat's demuxer for MP4, within the limits
// of clip_limits.h.
#pragma once

#include <deque>
#include <memory>
#include <optional>

#include "avc.h"
#include "clip_limits.h"
#include "libav_ptr.h"
#include "veo/core/result.h"
#include "veo/media/byte_stream.h"
#include "veo/media/clip_format.h"

namespace veo::media {

class ClipDemuxer {
 public:
  /// Reads up to the first picture, which must be a key frame. `clip` must outlive the reader.
  /// Fails with bad_media, and with the errors of `clip`. `finally`: nobody reads the clip again,
  /// so the reader releases the bytes that it has read.
  static Result<std::unique_ptr<ClipDemuxer>> open(ByteStream& clip, bool finally = false);
  ~ClipDemuxer();
  ClipDemuxer(const ClipDemuxer&) = delete;
  ClipDemuxer& operator=(const ClipDemuxer&) = delete;

  [[nodiscard]] const ClipFormat& format() const { return format_; }
  [[nodiscard]] const AVStream& video() const { return *video_; }
  /// Null: the clip is silent.
  [[nodiscard]] const AVStream* audio() const { return audio_; }
  /// Returns the configuration of the clip's H.264. Fails with bad_media if the clip cannot be part
  /// of a film, because the configuration is damaged, or the sound is not AAC-LC.
  [[nodiscard]] Result<avc::Configuration> joinable() const;
  /// Returns by how many frames decoding runs ahead of showing.
  [[nodiscard]] int reorder_depth() const { return reorder_depth_; }

  /// Returns the next packet of either stream; null: the end.
  Result<PacketPtr> next();
  /// Returns the number of a video packet's frame, from 0, in the order in which frames are shown.
  [[nodiscard]] std::int64_t frame_of(const AVPacket& packet) const;
  /// Returns when an audio packet sounds, in samples after the first frame is shown. Negative:
  /// never.
  [[nodiscard]] std::int64_t sample_of(const AVPacket& packet) const;

 private:
  explicit ClipDemuxer(ByteStream& clip) : clip_(clip) {}
  static int fill(void* opaque, std::uint8_t* into, int size);
  static std::int64_t seek(void* opaque, std::int64_t offset, int whence);

  struct BoxHead;

  Result<std::optional<BoxHead>> read_head(std::uint64_t at);
  Result<bool> is_in_order();
  Status check_boxes();
  Result<std::size_t> read_checked(std::span<std::uint8_t> into);
  Status read_header();
  Status find_streams();
  Status check_index(const AVStream& stream) const;
  Status read_first_picture();
  Result<PacketPtr> demux();
  Status check(const AVPacket& packet);
  [[nodiscard]] AVRational frame_clock() const;
  [[nodiscard]] std::int64_t frame_at(std::int64_t time) const;
  [[nodiscard]] Error failure(std::string message) const;

  ByteStream& clip_;
  std::uint64_t position_ = 0;
  std::uint64_t furthest_ = 0;   // byte that was read
  std::uint64_t unchecked_ = 0;  // start of the first box that was not checked
  limits::Counts counts_;
  bool releases_ = false;
  std::optional<Error> failed_;  // of the stream
  bool is_log_quiet_ = false;    // fill() has ended libavformat's messages for read_header()
  IoPtr io_;
  InputPtr input_;
  AVStream* video_ = nullptr;
  AVStream* audio_ = nullptr;
  ClipFormat format_;
  std::int64_t first_pts_ = 0;  // of the video, in its time base
  int reorder_depth_ = 0;
  std::uint64_t taken_ = 0;      // bytes of all packets so far
  std::int64_t pictures_ = 0;    // so far
  std::deque<PacketPtr> ahead_;  // read to see the first picture
};

}  // namespace veo::media
