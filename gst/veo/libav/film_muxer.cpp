// SPDX-License-Identifier: LGPL-2.1-or-later
#include "film_muxer.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace veo::media {

namespace {

constexpr int aac_frame_size = 1024;  // samples, in AAC-LC
// The least ticks of a frame on a film's clock: at 24 frames/s the clock is that of Veo's own
// clips.
constexpr int least_frame_ticks = 512;

// Veo's sound: AAC-LC, 48 kHz, stereo.
constexpr std::array<std::uint8_t, 2> default_audio_configuration = {0x11, 0x90};
constexpr int default_sample_rate = 48'000;
constexpr int default_channels = 2;

// The size in bytes of the pieces that are written to a file.
constexpr int file_buffer_size = 256 << 10;

/// Copies the bytes into the stream's extradata. False: there is no memory.
bool set_extradata(AVCodecParameters& to, std::span<const std::uint8_t> bytes) {
  to.extradata =
      static_cast<std::uint8_t*>(av_mallocz(bytes.size() + AV_INPUT_BUFFER_PADDING_SIZE));
  if (to.extradata == nullptr) return false;
  std::copy(bytes.begin(), bytes.end(), to.extradata);
  to.extradata_size = static_cast<int>(bytes.size());
  return true;
}

// What a muxer gives to its output: const since FFmpeg 7.0 (Debian 13), and not const before.
#if LIBAVFORMAT_VERSION_MAJOR < 61
using WrittenBytes = std::uint8_t;
#else
using WrittenBytes = const std::uint8_t;
#endif

std::uint32_t read_number(std::span<const std::uint8_t> bytes) {
  std::uint32_t number = 0;
  for (const auto byte : bytes.first(4)) number = number << 8U | byte;
  return number;
}

/// Returns the content of the `index`th box of this type; empty: there is none.
std::span<std::uint8_t> find_box(std::span<std::uint8_t> boxes, std::string_view type, int index) {
  while (boxes.size() >= 8) {
    const std::size_t size = read_number(boxes);
    if (size < 8 || size > boxes.size()) break;
    const auto name = boxes.subspan(4, 4);
    if (std::equal(name.begin(), name.end(), type.begin()) && index-- == 0) {
      return boxes.subspan(8, size - 8);
    }
    boxes = boxes.subspan(size);
  }
  return {};
}

/// Whether the frames of the rate are whole numbers of samples.
bool is_whole(FrameRate rate, int sample_rate) {
  return std::int64_t{rate.seconds} * sample_rate % rate.frames == 0;
}

}  // namespace

AudioFormat make_default_audio_format() {
  return {.codec = "aac", .sample_rate = default_sample_rate, .channels = default_channels};
}

int FilmMuxer::write_bytes(void* opaque, const std::uint8_t* bytes, int size) {
  auto& place = *static_cast<Place*>(opaque);
  auto& self = *place.muxer;
  const std::span piece(bytes, static_cast<std::size_t>(size));
  if (self.settings_.file == nullptr) {
    self.written_.insert(self.written_.end(), piece.begin(), piece.end());
    return size;
  }
  if (self.file_error_) return AVERROR_EXTERNAL;
  if (auto done = self.settings_.file->write(place.offset, piece); !done) {
    self.file_error_ = std::move(done.error());
    return AVERROR_EXTERNAL;
  }
  place.offset += piece.size();
  self.size_ = std::max(self.size_, place.offset);
  return size;
}

int FilmMuxer::read_bytes(void* opaque, std::uint8_t* into, int size) {
  auto& place = *static_cast<Place*>(opaque);
  auto& self = *place.muxer;
  auto got = self.settings_.file->read(place.offset, {into, static_cast<std::size_t>(size)});
  if (!got) {
    self.file_error_ = std::move(got.error());
    return AVERROR_EXTERNAL;
  }
  if (*got == 0) return AVERROR_EOF;
  place.offset += *got;
  return static_cast<int>(*got);
}

std::int64_t FilmMuxer::seek(void* opaque, std::int64_t offset, int whence) {
  auto& place = *static_cast<Place*>(opaque);
  const auto size = static_cast<std::int64_t>(place.muxer->size_);
  if ((whence & AVSEEK_SIZE) != 0) return size;
  const auto from = whence & ~AVSEEK_FORCE;
  if (from == SEEK_CUR) offset += static_cast<std::int64_t>(place.offset);
  if (from == SEEK_END) offset += size;
  if (offset < 0) return AVERROR(EINVAL);
  place.offset = static_cast<std::uint64_t>(offset);
  return offset;
}

/// The muxer opens its output a second time, to read what it wrote.
int FilmMuxer::open_again(AVFormatContext* film, AVIOContext** io, const char* /*url*/, int flags,
                          AVDictionary** /*options*/) {
  auto& self = *static_cast<FilmMuxer*>(film->opaque);
  if (self.settings_.file == nullptr || self.reader_io_ || (flags & AVIO_FLAG_WRITE) != 0) {
    return AVERROR(EPERM);
  }
  self.reading_.offset = 0;
  auto* const buffer = static_cast<unsigned char*>(av_malloc(io_buffer_size));
  self.reader_io_.reset(
      avio_alloc_context(buffer, io_buffer_size, 0, &self.reading_, read_bytes, nullptr, seek));
  *io = self.reader_io_.get();
  return 0;
}

int FilmMuxer::close_again(AVFormatContext* film, AVIOContext* /*io*/) {
  static_cast<FilmMuxer*>(film->opaque)->reader_io_.reset();
  return 0;
}

tl::unexpected<Error> FilmMuxer::fail_with(std::string message) const {
  return fail(file_error_ ? *file_error_ : bad_media(std::move(message)));
}

void FilmMuxer::open_output() {
  const bool is_plain = settings_.file != nullptr;
  const int size = is_plain ? file_buffer_size : io_buffer_size;
  const auto write = [](void* opaque, WrittenBytes* bytes, int count) {
    return write_bytes(opaque, bytes, count);
  };
  auto* const buffer = static_cast<unsigned char*>(av_malloc(static_cast<std::size_t>(size)));
  io_.reset(
      avio_alloc_context(buffer, size, 1, &writing_, nullptr, write, is_plain ? seek : nullptr));
  AVFormatContext* made = nullptr;
  avformat_alloc_output_context2(&made, nullptr, "mp4", nullptr);
  film_.reset(made);
  film_->pb = io_.get();
  film_->flags |= AVFMT_FLAG_CUSTOM_IO | AVFMT_FLAG_BITEXACT;
  // Write full buffers to a file, not each packet by itself.
  film_->flush_packets = 0;
  film_->opaque = this;
  film_->io_open = open_again;
  film_->io_close2 = close_again;
}

Status FilmMuxer::begin(const ClipDemuxer& clip, const ClipFormat& format, const ClipTags& tags) {
  open_output();
  add_video(clip, format.video.rate);
  add_audio(clip, *format.audio);
  set_metadata(tags);
  Options options;
  options.set("video_track_timescale", video_->time_base.den);
  options.set("use_editlist", "1");
  if (settings_.file != nullptr) {
    options.set("movflags", "faststart");
    // On this clock the durations of the film and of its tracks are exact.
    const int samples = audio_->time_base.den;
    const bool is_exact = is_whole(format.video.rate, samples);
    options.set("movie_timescale", is_exact ? samples : video_->time_base.den);
  } else {
    // Write the moov with the first fragment, because the first frame's delay is not known before.
    options.set("movflags", "frag_custom+delay_moov+default_base_moof");
  }
  const int started = avformat_write_header(film_.get(), options.address());
  if (started >= 0 && !file_error_) return {};
  film_.reset();
  return fail_with("No film begins with it: " + text_of(started) + ".");
}

void FilmMuxer::add_video(const ClipDemuxer& clip, FrameRate rate) {
  // A clock on which a frame is a whole number of ticks, whatever the clip's own clock is. The
  // terms of a rate are bounded, so the clock is bounded too.
  const auto periods = (least_frame_ticks + rate.seconds - 1) / rate.seconds;
  frame_ticks_ = std::int64_t{periods} * rate.seconds;
  video_ = avformat_new_stream(film_.get(), nullptr);
  avcodec_parameters_copy(video_->codecpar, clip.video().codecpar);
  video_->codecpar->codec_tag =
      settings_.has_one_configuration ? MKTAG('a', 'v', 'c', '1') : MKTAG('a', 'v', 'c', '3');
  // NAL units have lengths of four bytes in the film: the last two bits of the fifth byte say so.
  video_->codecpar->extradata[4] |= 3U;
  video_->time_base = {1, periods * rate.frames};
  video_->avg_frame_rate = {rate.frames, rate.seconds};
}

void FilmMuxer::add_audio(const ClipDemuxer& clip, const AudioFormat& format) {
  audio_ = avformat_new_stream(film_.get(), nullptr);
  if (clip.audio() != nullptr) {
    avcodec_parameters_copy(audio_->codecpar, clip.audio()->codecpar);
    audio_->codecpar->codec_tag = 0;
  } else {
    audio_->codecpar->codec_type = AVMEDIA_TYPE_AUDIO;
    audio_->codecpar->codec_id = AV_CODEC_ID_AAC;
    audio_->codecpar->sample_rate = format.sample_rate;
    av_channel_layout_default(&audio_->codecpar->ch_layout, format.channels);
    set_extradata(*audio_->codecpar, default_audio_configuration);
  }
  audio_->codecpar->frame_size = aac_frame_size;
  audio_->time_base = {1, format.sample_rate};
}

void FilmMuxer::set_metadata(const ClipTags& tags) {
  const std::pair<const char*, std::string> texts[] = {{"title", tags.title},
                                                       {"description", tags.description},
                                                       {"comment", make_comment(tags)},
                                                       {"date", tags.date},
                                                       {"encoding_tool", tags.application}};
  for (const auto& [key, text] : texts) {
    if (!text.empty()) av_dict_set(&film_->metadata, key, text.c_str(), 0);
  }
}

Status FilmMuxer::write(AVStream& track, PacketPtr packet) {
  if (!packet) return fail(bad_media("There is no memory for a packet."));
  packet->stream_index = track.index;
  packet->pos = -1;
  if (settings_.file == nullptr) return write_now(*packet);
  if (&track == audio_) {
    // The sounds follow the pictures of their chunk.
    has_priming_ = has_priming_ || packet->pts < 0;
    held_sounds_.push_back(std::move(packet));
    return {};
  }
  // The index has the times of decoding. The durations say only where the last frame ends.
  packet->duration = frame_ticks_;
  return write_now(*packet);
}

Status FilmMuxer::write_now(AVPacket& packet) {
  const int done = av_write_frame(film_.get(), &packet);
  if (done < 0 || file_error_) {
    return fail_with("A packet of it fits into no film: " + text_of(done) + ".");
  }
  return {};
}

/// Writes the sounds that are held, except the last `keep` of them.
Status FilmMuxer::write_held_sounds(std::size_t keep) {
  while (held_sounds_.size() > keep) {
    const auto next = std::move(held_sounds_.front());
    held_sounds_.pop_front();
    if (auto done = write_now(*next); !done) return done;
  }
  return {};
}

Status FilmMuxer::flush() {
  // finish() may have to shorten the last sound.
  if (settings_.file != nullptr) return write_held_sounds(1);
  // The first call writes only the moov.
  for (int calls = has_moov_ ? 1 : 2; calls > 0; --calls) {
    if (const int done = av_write_frame(film_.get(), nullptr); done < 0) {
      return fail_with("A part of it fits into no film: " + text_of(done) + ".");
    }
  }
  has_moov_ = true;
  avio_flush(io_.get());
  return {};
}

/// Writes the trailer. If FFmpeg logs on the level that it has by default, it tells the user's
/// terminal that it moves the moov. The level is the whole process's, so change it only for a plain
/// film, which only the command `veo` writes.
int FilmMuxer::write_trailer() {
  const int level = av_log_get_level();
  const bool is_told = settings_.file != nullptr && level == AV_LOG_INFO;
  if (is_told) av_log_set_level(AV_LOG_WARNING);
  const int done = av_write_trailer(film_.get());
  if (is_told) av_log_set_level(level);
  return done;
}

Status FilmMuxer::finish(std::uint64_t frames) {
  if (!held_sounds_.empty()) {
    // The film ends with its last frame. Half an AAC frame of sound at most goes further.
    auto& last = *held_sounds_.back();
    const auto end = av_rescale_q(static_cast<std::int64_t>(frames) * frame_ticks_,
                                  video_->time_base, audio_->time_base);
    last.duration = std::clamp<std::int64_t>(end - last.pts, 1, last.duration);
    if (auto done = write_held_sounds(0); !done) return done;
  }
  const int done = write_trailer();
  avio_flush(io_.get());
  if (done < 0 || file_error_) {
    return fail_with("The film cannot be ended: " + text_of(done) + ".");
  }
  return has_priming_ ? lengthen_audio_edit() : Status{};
}

/// Makes the edit of the sound longer by one tick. GStreamer's qtdemux leaves out the last AAC
/// frame of a track whose edit begins after the track's first frame and ends exactly with the last
/// one. Other demuxers end the sound with the last frame in any case.
Status FilmMuxer::lengthen_audio_edit() {
  auto& file = *settings_.file;
  std::vector<std::uint8_t> head(std::size_t{4} << 10U);
  std::uint64_t have = 0;
  while (have < head.size()) {
    const auto got = file.read(have, std::span(head).subspan(have));
    if (!got) return fail(got.error());
    if (*got == 0) break;
    have += *got;
    // The moov is the second box, and its size is known once its first bytes are here.
    const auto ftyp = have < 12 ? 0 : read_number(head);
    if (ftyp != 0 && have >= ftyp + 8) {
      const auto end = ftyp + read_number(std::span(head).subspan(ftyp));
      if (end > head.size()) head.resize(end);
    }
  }
  const auto moov = find_box(std::span(head).first(have), "moov", 0);
  const auto elst = find_box(find_box(find_box(moov, "trak", 1), "edts", 0), "elst", 0);
  // A film of more than 12 hours has times of eight bytes, which stay as they are.
  if (elst.size() < 20 || elst[0] != 0) return {};
  const auto longer = read_number(elst.subspan(8)) + 1;
  std::array<std::uint8_t, 4> bytes{};
  for (std::size_t i = 0; i < 4; ++i) {
    bytes[i] = static_cast<std::uint8_t>(longer >> (24U - 8U * static_cast<unsigned>(i)));
  }
  return file.write(static_cast<std::uint64_t>(elst.data() - head.data()) + 8, bytes);
}

}  // namespace veo::media
