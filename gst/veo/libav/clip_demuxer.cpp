// SPDX-License-Identifier: LGPL-2.1-or-later
#include "clip_demuxer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace veo::media {

namespace {

// A real file has two streams and a header of about 7 KiB.
constexpr int max_streams = 8;
constexpr int max_boxes = 64;
// A clip begins with its first picture: only sound may come before.
constexpr std::size_t max_ahead = 4096;

/// Refuses every other file, because the demuxer must open nothing that the file refers to.
int refuse_to_open(AVFormatContext*, AVIOContext**, const char*, int, AVDictionary**) {
  return AVERROR(EPERM);
}

std::span<const std::uint8_t> extradata_of(const AVStream& stream) {
  const auto& codec = *stream.codecpar;
  return {codec.extradata, static_cast<std::size_t>(codec.extradata_size)};
}

/// Returns the time between two frames, in ticks of the stream, if most frames that the header
/// lists are so far apart; else nullopt. The majority is found by Boyer and Moore's vote, because a
/// damaged header can list two million different times.
std::optional<std::int64_t> find_usual_duration(const AVStream& stream) {
  const auto count = avformat_index_get_entries_count(&stream);
  const auto at = [&](int i) {
    return avformat_index_get_entry(const_cast<AVStream*>(&stream), i)->timestamp;
  };
  // Any number can stand in the header. A difference that is no duration of a frame gets no vote.
  const auto duration_of = [&](int i) -> std::int64_t {
    const auto first = at(i);
    const auto next = at(i + 1);
    const bool is_possible = first < next && (first >= 0 || next < 0);
    return is_possible ? next - first : 0;
  };
  std::int64_t candidate = 0;
  std::int64_t votes = 0;
  for (int i = 0; i + 1 < count; ++i) {
    const auto duration = duration_of(i);
    if (votes == 0) candidate = duration;
    votes += duration == candidate ? 1 : -1;
  }
  int found = 0;
  for (int i = 0; i + 1 < count; ++i) found += duration_of(i) == candidate ? 1 : 0;
  if (candidate <= 0 || 2 * found <= count - 1) return std::nullopt;
  return candidate;
}

/// Returns the stream's frame rate. libavformat divides the number of frames by the duration. So a
/// last frame that is a tick short makes 2359296/98303 of 24/1, and no other clip has that rate. A
/// usual rate decides if it is nearer than 1/2000, which is half the distance between 24/1 and
/// 24000/1001. Else the duration of most frames decides, if the stream is at most one frame longer
/// or shorter than that many equal frames: the ffmpeg command of FFmpeg 7.1 gives the last frame
/// after a trim no duration. (On a clock of milliseconds most frames of 24/1 last 42 ms, so the
/// usual rates go first.)
AVRational find_rate(const AVStream& stream) {
  constexpr AVRational usual_rates[] = {{24, 1}, {25, 1},        {30, 1},        {50, 1},
                                        {60, 1}, {24'000, 1001}, {30'000, 1001}, {60'000, 1001},
                                        {12, 1}, {15, 1}};
  constexpr double nearest = 1.0 / 2000;
  const auto told = stream.avg_frame_rate;
  const auto frames = static_cast<double>(avformat_index_get_entries_count(&stream));
  // How many frames longer or shorter the stream is, by the rate that it tells, than by `rate`.
  const auto is_near = [&](AVRational rate) {
    constexpr double rounding = 1e-6;
    return std::abs(frames / av_q2d(told) * av_q2d(rate) - frames) <= 1 + rounding;
  };
  if (told.num % told.den == 0) return told;
  for (const auto rate : usual_rates) {
    if (std::abs(av_q2d(rate) / av_q2d(told) - 1) < nearest && is_near(rate)) return rate;
  }
  if (const auto duration = find_usual_duration(stream)) {
    AVRational rate{};
    av_reduce(&rate.num, &rate.den, stream.time_base.den, stream.time_base.num * *duration,
              std::numeric_limits<int>::max());
    if (rate.num > 0 && rate.den > 0 && is_near(rate)) return rate;
  }
  return told;
}

Error interruption() {
  return {.code = ErrorCode::network, .message = "The wait was interrupted."};
}

}  // namespace

/// The first bytes of one of the file's outermost boxes.
struct ClipDemuxer::BoxHead {
  std::array<char, 16> bytes{};

  [[nodiscard]] std::string_view type() const { return {bytes.data() + 4, 4}; }
  /// Returns the size of the box; 0: the box reaches to the end of the file.
  [[nodiscard]] std::uint64_t size() const {
    return number(0, 4) == 1 ? number(8, 8) : number(0, 4);
  }
  /// Whether libavformat takes nothing but media from the box.
  [[nodiscard]] bool is_opaque() const {
    if (type() == "free" || type() == "skip") {
      // libavformat takes a box for a moov if the box begins with the first box of a moov.
      const std::string_view inner(bytes.data() + 12, 4);
      return inner != "mvhd" && inner != "cmov";
    }
    return type() == "mdat" || type() == "uuid";
  }

 private:
  [[nodiscard]] std::uint64_t number(std::size_t from, std::size_t count) const {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      value = value << 8U | static_cast<std::uint8_t>(bytes[from + i]);
    }
    return value;
  }
};

int ClipDemuxer::fill(void* opaque, std::uint8_t* into, int size) {
  auto& self = *static_cast<ClipDemuxer*>(opaque);
  if (self.failed_) return AVERROR_EXTERNAL;
  if (self.releases_) self.clip_.release(self.position_);
  auto got = self.read_checked(std::span(into, static_cast<std::size_t>(size)));
  if (!got) {
    self.failed_ = std::move(got.error());
    // Now libavformat would tell the user's terminal that the file has no header, although only the
    // read has failed. The level is the whole process's, so read_header() restores the level, and a
    // level that somebody has set stays.
    self.is_log_quiet_ = self.input_ == nullptr && av_log_get_level() == AV_LOG_INFO;
    if (self.is_log_quiet_) av_log_set_level(AV_LOG_QUIET);
    return AVERROR_EXTERNAL;
  }
  if (*got == 0) return AVERROR_EOF;
  self.position_ += *got;
  self.furthest_ = std::max(self.furthest_, self.position_);
  return static_cast<int>(*got);
}

/// Reads bytes for the demuxer, after checking the counts of the bytes' box.
Result<std::size_t> ClipDemuxer::read_checked(std::span<std::uint8_t> into) {
  if (auto done = check_boxes(); !done) return fail(std::move(done.error()));
  const auto most = std::min<std::uint64_t>(into.size(), unchecked_ - position_);
  return clip_.read(position_, into.first(static_cast<std::size_t>(most)));
}

Status ClipDemuxer::check_boxes() {
  while (unchecked_ <= position_) {
    if (clip_.is_interrupted()) return fail(interruption());
    const auto head = read_head(unchecked_);
    if (!head) return fail(head.error());
    // The following bytes are no box: the demuxer stops there too.
    const auto last = std::numeric_limits<std::uint64_t>::max();
    const auto size = *head ? (*head)->size() : 0;
    if (!*head || (size < 8 && size != 0)) {
      unchecked_ = last;
      return {};
    }
    const auto end = size == 0 || size > last - unchecked_ ? last : unchecked_ + size;
    if (!(*head)->is_opaque()) {
      if (size > limits::header) return fail(bad_media("Its header is larger than any clip's."));
      // Do not keep a box without an end, because the file's media would be in the box.
      if (size == 0) return fail(bad_media("Its header has no end."));
      std::vector<std::uint8_t> box(static_cast<std::size_t>(size) + limits::Counts::overlap);
      std::size_t have = 0;
      while (have < box.size()) {
        auto got = clip_.read(unchecked_ + have, std::span(box).subspan(have));
        if (!got) return fail(std::move(got.error()));
        if (*got == 0) break;
        have += *got;
      }
      if (auto done = counts_.take(std::span(box).first(have)); !done) return done;
    }
    unchecked_ = end;
  }
  return {};
}

std::int64_t ClipDemuxer::seek(void* opaque, std::int64_t offset, int whence) {
  auto& self = *static_cast<ClipDemuxer*>(opaque);
  if ((whence & ~AVSEEK_FORCE) == SEEK_CUR) offset += static_cast<std::int64_t>(self.position_);
  // The size may not be known yet.
  if ((whence & AVSEEK_SIZE) != 0 || (whence & ~AVSEEK_FORCE) == SEEK_END || offset < 0) {
    return AVERROR(ENOSYS);
  }
  self.position_ = static_cast<std::uint64_t>(offset);
  return offset;
}

Result<std::unique_ptr<ClipDemuxer>> ClipDemuxer::open(ByteStream& clip, bool finally) {
  std::unique_ptr<ClipDemuxer> reader(new ClipDemuxer(clip));
  reader->releases_ = finally;
  if (auto done = reader->read_header(); !done) return fail(std::move(done.error()));
  if (auto done = reader->find_streams(); !done) return fail(std::move(done.error()));
  if (auto done = reader->read_first_picture(); !done) return fail(std::move(done.error()));
  return reader;
}

ClipDemuxer::~ClipDemuxer() = default;

Error ClipDemuxer::failure(std::string message) const {
  return failed_ ? *failed_ : bad_media(std::move(message));
}

/// nullopt: the file ends there.
Result<std::optional<ClipDemuxer::BoxHead>> ClipDemuxer::read_head(std::uint64_t at) {
  BoxHead head;
  const std::span bytes(reinterpret_cast<std::uint8_t*>(head.bytes.data()), head.bytes.size());
  std::size_t have = 0;
  while (have < bytes.size()) {
    auto got = clip_.read(at + have, bytes.subspan(have));
    if (!got) return fail(std::move(got.error()));
    if (*got == 0) break;
    have += *got;
  }
  if (have < 8) return std::nullopt;
  return head;
}

/// Whether everything that the media need to be read comes before the media.
Result<bool> ClipDemuxer::is_in_order() {
  std::uint64_t at = 0;
  for (int boxes = 0; boxes < max_boxes; ++boxes) {
    const auto head = read_head(at);
    if (!head) return fail(head.error());
    if (!*head || (boxes == 0 && (*head)->type() != "ftyp")) break;
    if ((*head)->type() == "mdat") return false;
    if ((*head)->type() == "moov") return true;
    const auto size = (*head)->size();
    if (size < 8 || size > limits::header) break;
    at += size;
  }
  return fail(bad_media("It is not an MP4 file."));
}

Status ClipDemuxer::read_header() {
  const auto in_order = is_in_order();
  if (!in_order) return fail(in_order.error());
  auto* const buffer = static_cast<unsigned char*>(av_malloc(io_buffer_size));
  io_.reset(avio_alloc_context(buffer, io_buffer_size, 0, this, fill, nullptr, seek));
  // A demuxer that may seek looks for boxes after the media before it reads any media.
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
  // If avformat_open_input() fails, it frees `input`.
  const int level = av_log_get_level();
  const int opened =
      avformat_open_input(&input, nullptr, av_find_input_format("mov"), options.address());
  if (is_log_quiet_) av_log_set_level(level);
  if (opened < 0) return fail(failure("Its header cannot be read: " + text_of(opened) + "."));
  input_.reset(input);
  return {};
}

Status ClipDemuxer::find_streams() {
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
  // In an `avc3` the pictures can bring parameter sets of their own.
  if (video.codec_tag != MKTAG('a', 'v', 'c', '3')) {
    auto configuration = avc::parse_configuration(extradata_of(*video_));
    if (configuration) format_.parameter_sets = std::move(configuration->parameter_sets);
  }
  if (std::min(video.width, video.height) < 1 ||
      std::max(video.width, video.height) > limits::side) {
    return fail(bad_media("Its pictures have no possible size."));
  }
  if (video_->avg_frame_rate.num > 0 && video_->avg_frame_rate.den > 0) {
    const auto rate = limits::make_rate(find_rate(*video_));
    if (!rate) return fail(rate.error());
    format_.video.rate = *rate;
  }
  const auto listed = avformat_index_get_entries_count(video_);
  if (video_->nb_frames > 0 && listed > 0) {
    format_.frames = static_cast<std::uint32_t>(std::min<std::int64_t>(video_->nb_frames, listed));
  }
  if (auto done = check_index(*video_); !done) return done;
  if (audio_ == nullptr) return {};
  const auto& audio = *audio_->codecpar;
  format_.audio = {.codec = avcodec_get_name(audio.codec_id),
                   .sample_rate = audio.sample_rate,
                   .channels = audio.ch_layout.nb_channels};
  if (audio.codec_id != AV_CODEC_ID_AAC) {
    return fail(bad_media("Its sound is " + format_.audio->codec + ", not aac."));
  }
  if (auto done = limits::check_sample_rate(audio.sample_rate); !done) return done;
  return check_index(*audio_);
}

/// Checks the frames that the header lists. The header of a fragmented file lists none.
Status ClipDemuxer::check_index(const AVStream& stream) const {
  const auto count = avformat_index_get_entries_count(&stream);
  std::int64_t first = 0;
  for (int i = 0; i < count; ++i) {
    const auto time = avformat_index_get_entry(const_cast<AVStream*>(&stream), i)->timestamp;
    if (auto done = limits::check_time(time, stream.time_base); !done) return done;
    if (i == 0) first = time;
    if (&stream != video_ || format_.video.rate.frames == 0) continue;
    auto done = limits::check_place(frame_at(time - first), i + 1, format_.video.rate);
    if (!done) return done;
  }
  return {};
}

Result<avc::Configuration> ClipDemuxer::joinable() const {
  if (audio_ != nullptr) {
    const auto asc = extradata_of(*audio_);
    if (asc.size() < 2 || asc[0] >> 3U != 2) return fail(bad_media("Its sound is not AAC-LC."));
  }
  return avc::parse_configuration(extradata_of(*video_));
}

Status ClipDemuxer::read_first_picture() {
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
      if (format_.video.rate.frames == 0) {
        // A file of a single frame, or a fragmented file that does not tell its frame rate
        // elsewhere.
        if (seen.duration <= 0) return fail(bad_media("It does not say its frame rate."));
        AVRational per_second{};
        av_reduce(&per_second.num, &per_second.den, video_->time_base.den,
                  video_->time_base.num * seen.duration, std::numeric_limits<int>::max());
        const auto rate = limits::make_rate(per_second);
        if (!rate) return fail(rate.error());
        format_.video.rate = *rate;
      }
      first_pts_ = seen.pts;
      const auto decoded = -frame_at(seen.dts - first_pts_);
      reorder_depth_ =
          static_cast<int>(std::clamp<std::int64_t>(decoded, 0, limits::reorder_depth));
    }
    ahead_.push_back(std::move(*packet));
    if (is_video) return {};
  }
}

Result<PacketPtr> ClipDemuxer::next() {
  if (!ahead_.empty()) {
    auto packet = std::move(ahead_.front());
    ahead_.pop_front();
    return packet;
  }
  return demux();
}

Result<PacketPtr> ClipDemuxer::demux() {
  PacketPtr packet(av_packet_alloc());
  for (;;) {
    if (clip_.is_interrupted()) return fail(interruption());
    const int got = av_read_frame(input_.get(), packet.get());
    if (failed_) return fail(*failed_);
    if (got == AVERROR_EOF) return PacketPtr{};
    if (got < 0) return fail(bad_media("It is damaged: " + text_of(got) + "."));
    const bool is_ours = packet->stream_index == video_->index ||
                         (audio_ != nullptr && packet->stream_index == audio_->index);
    if (is_ours && packet->size > 0 && packet->dts != AV_NOPTS_VALUE) {
      if (auto done = check(*packet); !done) return fail(std::move(done.error()));
      return packet;
    }
    av_packet_unref(packet.get());
  }
}

Status ClipDemuxer::check(const AVPacket& packet) {
  taken_ += static_cast<std::uint64_t>(packet.size);
  if (taken_ > furthest_) {
    return fail(bad_media("Its header is damaged: it uses parts of the file more than once."));
  }
  const bool is_video = packet.stream_index == video_->index;
  const auto& stream = is_video ? *video_ : *audio_;
  for (const auto time : {packet.dts, packet.pts}) {
    if (auto done = limits::check_time(time, stream.time_base); !done) return done;
  }
  if (!is_video) return {};
  // The places of all pictures count from the first picture.
  if (++pictures_ == 1) return {};
  return limits::check_place(frame_of(packet), pictures_, format_.video.rate);
}

AVRational ClipDemuxer::frame_clock() const {
  return {format_.video.rate.seconds, format_.video.rate.frames};
}

std::int64_t ClipDemuxer::frame_at(std::int64_t time) const {
  return av_rescale_q_rnd(time, video_->time_base, frame_clock(), AV_ROUND_NEAR_INF);
}

std::int64_t ClipDemuxer::frame_of(const AVPacket& packet) const {
  return frame_at(packet.pts - first_pts_);
}

std::int64_t ClipDemuxer::sample_of(const AVPacket& packet) const {
  const AVRational sample{1, audio_->codecpar->sample_rate};
  return av_rescale_q_rnd(packet.pts, audio_->time_base, sample, AV_ROUND_NEAR_INF) -
         av_rescale_q_rnd(first_pts_, video_->time_base, sample, AV_ROUND_NEAR_INF);
}

}  // namespace veo::media
