// SPDX-License-Identifier: LGPL-2.1-or-later
#include "film_muxer.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>
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

int store(void* opaque, WrittenBytes* bytes, int size) {
  auto& out = *static_cast<std::vector<std::uint8_t>*>(opaque);
  out.insert(out.end(), bytes, bytes + size);
  return size;
}

tl::unexpected<Error> fail_to_write(int error) {
  return fail(bad_media("A packet of it fits into no film: " + text_of(error) + "."));
}

}  // namespace

AudioFormat make_default_audio_format() {
  return {.codec = "aac", .sample_rate = default_sample_rate, .channels = default_channels};
}

Status FilmMuxer::begin(const ClipDemuxer& clip, const ClipFormat& format, const ClipTags& tags) {
  auto* const buffer = static_cast<unsigned char*>(av_malloc(io_buffer_size));
  io_.reset(avio_alloc_context(buffer, io_buffer_size, 1, &written_, nullptr, store, nullptr));
  io_->seekable = 0;
  AVFormatContext* made = nullptr;
  avformat_alloc_output_context2(&made, nullptr, "mp4", nullptr);
  film_.reset(made);
  film_->pb = io_.get();
  film_->flags |= AVFMT_FLAG_CUSTOM_IO | AVFMT_FLAG_BITEXACT;
  add_video(clip, format.video.rate);
  add_audio(clip, *format.audio);
  set_metadata(tags);
  Options options;
  // Write the moov with the first fragment, because the first frame's delay is not known before.
  options.set("movflags", "frag_custom+delay_moov+default_base_moof");
  options.set("video_track_timescale", video_->time_base.den);
  options.set("use_editlist", "1");
  const int started = avformat_write_header(film_.get(), options.address());
  if (started >= 0) return {};
  film_.reset();
  return fail(bad_media("No film begins with it: " + text_of(started) + "."));
}

void FilmMuxer::add_video(const ClipDemuxer& clip, FrameRate rate) {
  // A clock on which a frame is a whole number of ticks, whatever the clip's own clock is. The
  // terms of a rate are bounded, so the clock is bounded too.
  const auto periods = (least_frame_ticks + rate.seconds - 1) / rate.seconds;
  frame_ticks_ = std::int64_t{periods} * rate.seconds;
  video_ = avformat_new_stream(film_.get(), nullptr);
  avcodec_parameters_copy(video_->codecpar, clip.video().codecpar);
  video_->codecpar->codec_tag = MKTAG('a', 'v', 'c', '3');
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
  const int done = av_write_frame(film_.get(), packet.get());
  if (done < 0) return fail_to_write(done);
  return {};
}

Status FilmMuxer::flush() {
  // The first call writes only the moov.
  for (int calls = has_moov_ ? 1 : 2; calls > 0; --calls) {
    if (const int done = av_write_frame(film_.get(), nullptr); done < 0) return fail_to_write(done);
  }
  has_moov_ = true;
  avio_flush(io_.get());
  return {};
}

Status FilmMuxer::finish() {
  if (const int done = av_write_trailer(film_.get()); done < 0) {
    return fail(bad_media("The film cannot be ended: " + text_of(done) + "."));
  }
  avio_flush(io_.get());
  return {};
}

}  // namespace veo::media
