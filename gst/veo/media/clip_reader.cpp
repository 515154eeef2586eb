// SPDX-License-Identifier: LGPL-2.1-or-later
#include "clip_reader.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>

namespace veo::media {

namespace {

constexpr std::size_t buffer_size = 64U << 10U;
// A real file has two streams, and its header some 7 KiB.
constexpr int max_streams = 8;
constexpr std::uint64_t max_header = 64U << 20U;
constexpr int max_boxes = 64;
constexpr int max_side = 8192;
// A clip begins with its first picture: what comes ahead of it is sound.
constexpr std::size_t max_ahead = 4096;

/// The demuxer may open nothing else, whatever the file refers to.
int refuse_to_open(AVFormatContext*, AVIOContext**, const char*, int, AVDictionary**) {
  return AVERROR(EPERM);
}

AVRational rate_of(const AVStream& video) { return video.avg_frame_rate; }

}  // namespace

int ClipReader::fill(void* opaque, std::uint8_t* into, int size) {
  auto& self = *static_cast<ClipReader*>(opaque);
  if (self.failed_) return AVERROR_EXTERNAL;
  if (self.releases_) self.clip_.release(self.position_);
  auto got = self.clip_.read(self.position_, std::span(into, static_cast<std::size_t>(size)));
  if (!got) {
    self.failed_ = std::move(got.error());
    return AVERROR_EXTERNAL;
  }
  if (*got == 0) return AVERROR_EOF;
  self.position_ += *got;
  return static_cast<int>(*got);
}

std::int64_t ClipReader::seek(void* opaque, std::int64_t offset, int whence) {
  auto& self = *static_cast<ClipReader*>(opaque);
  if ((whence & ~AVSEEK_FORCE) == SEEK_CUR) offset += static_cast<std::int64_t>(self.position_);
  // The size may not be known yet.
  if ((whence & AVSEEK_SIZE) != 0 || (whence & ~AVSEEK_FORCE) == SEEK_END || offset < 0) {
    return AVERROR(ENOSYS);
  }
  self.position_ = static_cast<std::uint64_t>(offset);
  return offset;
}

Result<std::unique_ptr<ClipReader>> ClipReader::open(ByteStream& clip, bool finally) {
  std::unique_ptr<ClipReader> reader(new ClipReader(clip));
  reader->releases_ = finally;
  if (auto done = reader->read_header(); !done) return fail(std::move(done.error()));
  if (auto done = reader->find_streams(); !done) return fail(std::move(done.error()));
  if (auto done = reader->read_first_picture(); !done) return fail(std::move(done.error()));
  return reader;
}

ClipReader::~ClipReader() = default;

Error ClipReader::failure(std::string message) const {
  return failed_ ? *failed_ : bad_media(std::move(message));
}

/// Whether all that is needed to read the media comes ahead of it.
Result<bool> ClipReader::is_in_order() {
  std::uint64_t at = 0;
  for (int boxes = 0; boxes < max_boxes; ++boxes) {
    std::array<std::uint8_t, 16> head{};
    std::size_t have = 0;
    while (have < head.size()) {
      auto got = clip_.read(at + have, std::span(head).subspan(have));
      if (!got) return fail(std::move(got.error()));
      if (*got == 0) break;
      have += *got;
    }
    if (have < 8) break;
    const auto number = [&head](std::size_t from, std::size_t size) {
      std::uint64_t value = 0;
      for (std::size_t i = 0; i < size; ++i) value = value << 8U | head[from + i];
      return value;
    };
    const std::string_view type(reinterpret_cast<const char*>(head.data()) + 4, 4);
    if (boxes == 0 && type != "ftyp") break;
    const auto size = number(0, 4) == 1 ? number(8, 8) : number(0, 4);
    if (type == "mdat") return false;
    if (type == "moov") {
      if (size > max_header) return fail(bad_media("Its header is larger than any clip's."));
      return true;
    }
    if (size < 8 || size > max_header) break;
    at += size;
  }
  return fail(bad_media("It is not an MP4 file."));
}

Status ClipReader::read_header() {
  const auto in_order = is_in_order();
  if (!in_order) return fail(in_order.error());
  auto* const buffer = static_cast<unsigned char*>(av_malloc(buffer_size));
  io_.reset(avio_alloc_context(buffer, buffer_size, 0, this, fill, nullptr, seek));
  // A demuxer that may seek looks for what follows the media before it plays any.
  if (*in_order) io_->seekable = 0;
  releases_ = releases_ && *in_order;

  auto* input = avformat_alloc_context();
  input->pb = io_.get();
  input->flags |= AVFMT_FLAG_CUSTOM_IO;
  input->io_open = refuse_to_open;
  input->max_streams = max_streams;
  Options options;
  options.set("protocol_whitelist", "none");
  options.set("enable_drefs", "0");
  // On failure it frees `input`.
  const int opened =
      avformat_open_input(&input, nullptr, av_find_input_format("mov"), options.address());
  if (opened < 0) return fail(failure("Its header cannot be read: " + text_of(opened) + "."));
  input_.reset(input);
  return {};
}

Status ClipReader::find_streams() {
  for (unsigned i = 0; i < input_->nb_streams; ++i) {
    auto* const stream = input_->streams[i];
    const auto& codec = *stream->codecpar;
    if (codec.codec_type == AVMEDIA_TYPE_VIDEO && video_ == nullptr &&
        (stream->disposition & AV_DISPOSITION_ATTACHED_PIC) == 0) {
      video_ = stream;
    } else if (codec.codec_type == AVMEDIA_TYPE_AUDIO && audio_ == nullptr) {
      audio_ = stream;
    } else {
      stream->discard = AVDISCARD_ALL;
    }
  }
  if (video_ == nullptr) return fail(bad_media("It has no video."));
  const auto& video = *video_->codecpar;
  format_.video = {
      .codec = avcodec_get_name(video.codec_id), .width = video.width, .height = video.height};
  if (video.codec_id != AV_CODEC_ID_H264) {
    return fail(bad_media("Its video is " + format_.video.codec + ", not h264."));
  }
  if (std::min(video.width, video.height) < 1 || std::max(video.width, video.height) > max_side) {
    return fail(bad_media("Its pictures have no possible size."));
  }
  if (video_->nb_frames > 0) format_.frames = static_cast<std::uint32_t>(video_->nb_frames);
  if (audio_ == nullptr) return {};
  const auto& audio = *audio_->codecpar;
  format_.audio = {.codec = avcodec_get_name(audio.codec_id),
                   .sample_rate = audio.sample_rate,
                   .channels = audio.ch_layout.nb_channels};
  if (audio.codec_id != AV_CODEC_ID_AAC || audio.sample_rate <= 0) {
    return fail(bad_media("Its sound is " + format_.audio->codec + ", not aac."));
  }
  return {};
}

Status ClipReader::read_first_picture() {
  for (;;) {
    auto packet = demux();
    if (!packet) return fail(std::move(packet.error()));
    if (!*packet || ahead_.size() > max_ahead) return fail(bad_media("It has no pictures."));
    const auto& seen = **packet;
    const bool is_video = seen.stream_index == video_->index;
    if (is_video) {
      if ((seen.flags & AV_PKT_FLAG_KEY) == 0 || seen.pts == AV_NOPTS_VALUE) {
        return fail(bad_media("Its first picture is not a key frame."));
      }
      if (rate_of(*video_).num <= 0 || rate_of(*video_).den <= 0) {
        // A file of a single frame, or of fragments that do not say it elsewhere.
        if (seen.duration <= 0) return fail(bad_media("It does not say its frame rate."));
        video_->avg_frame_rate =
            av_inv_q(av_mul_q(video_->time_base, AVRational{static_cast<int>(seen.duration), 1}));
      }
      format_.video.rate = {rate_of(*video_).num, rate_of(*video_).den};
      first_pts_ = seen.pts;
      const auto decoded =
          frame_of(seen) - av_rescale_q_rnd(seen.dts - first_pts_, video_->time_base,
                                            av_inv_q(rate_of(*video_)), AV_ROUND_NEAR_INF);
      reorder_depth_ = static_cast<int>(std::clamp<std::int64_t>(decoded, 0, 16));
    }
    ahead_.push_back(std::move(*packet));
    if (is_video) return {};
  }
}

Result<PacketPtr> ClipReader::next() {
  if (!ahead_.empty()) {
    auto packet = std::move(ahead_.front());
    ahead_.pop_front();
    return packet;
  }
  return demux();
}

Result<PacketPtr> ClipReader::demux() {
  PacketPtr packet(av_packet_alloc());
  for (;;) {
    const int got = av_read_frame(input_.get(), packet.get());
    if (failed_) return fail(*failed_);
    if (got == AVERROR_EOF) return PacketPtr{};
    if (got < 0) return fail(bad_media("It is damaged: " + text_of(got) + "."));
    const bool is_ours = packet->stream_index == video_->index ||
                         (audio_ != nullptr && packet->stream_index == audio_->index);
    if (is_ours && packet->size > 0 && packet->dts != AV_NOPTS_VALUE) return packet;
    av_packet_unref(packet.get());
  }
}

std::int64_t ClipReader::frame_of(const AVPacket& packet) const {
  return av_rescale_q_rnd(packet.pts - first_pts_, video_->time_base, av_inv_q(rate_of(*video_)),
                          AV_ROUND_NEAR_INF);
}

std::int64_t ClipReader::sample_of(const AVPacket& packet) const {
  const AVRational sample{1, audio_->codecpar->sample_rate};
  return av_rescale_q_rnd(packet.pts, audio_->time_base, sample, AV_ROUND_NEAR_INF) -
         av_rescale_q_rnd(first_pts_, video_->time_base, sample, AV_ROUND_NEAR_INF);
}

}  // namespace veo::media
