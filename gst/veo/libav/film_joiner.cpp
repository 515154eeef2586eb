// SPDX-License-Identifier: LGPL-2.1-or-later
#include "film_joiner.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "avc.h"
#include "clip_demuxer.h"
#include "film_sound.h"

namespace veo::media {

namespace {

// The least ticks of a frame on a film's clock: at 24 frames/s the clock is that of Veo's own
// clips.
constexpr int least_frame_ticks = 512;

// Veo's sound, for a film whose first clip is silent: AAC-LC, 48 kHz, stereo.
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

}  // namespace

struct FilmJoiner::Private {
  // --- output ---

  static int store(void* opaque, WrittenBytes* bytes, int size) {
    auto& out = static_cast<Private*>(opaque)->written;
    out.insert(out.end(), bytes, bytes + size);
    return size;
  }

  Status start_film() {
    const auto& clip_video = clip->video();
    auto* const buffer = static_cast<unsigned char*>(av_malloc(io_buffer_size));
    io.reset(avio_alloc_context(buffer, io_buffer_size, 1, this, nullptr, store, nullptr));
    io->seekable = 0;
    AVFormatContext* made = nullptr;
    avformat_alloc_output_context2(&made, nullptr, "mp4", nullptr);
    film.reset(made);
    film->pb = io.get();
    film->flags |= AVFMT_FLAG_CUSTOM_IO | AVFMT_FLAG_BITEXACT;

    // A clock on which a frame is a whole number of ticks, whatever the clip's own clock is.
    const auto rate = format.video.rate;
    // The terms of a rate are bounded, so the clock is bounded too.
    const auto periods = (least_frame_ticks + rate.seconds - 1) / rate.seconds;
    frame_ticks = std::int64_t{periods} * rate.seconds;
    video_clock = {1, periods * rate.frames};
    video = avformat_new_stream(film.get(), nullptr);
    avcodec_parameters_copy(video->codecpar, clip_video.codecpar);
    video->codecpar->codec_tag = MKTAG('a', 'v', 'c', '3');
    // NAL units have lengths of four bytes in the film: the last two bits of the fifth byte say so.
    video->codecpar->extradata[4] |= 3U;
    video->time_base = video_clock;
    video->avg_frame_rate = {rate.frames, rate.seconds};

    audio = avformat_new_stream(film.get(), nullptr);
    if (clip->audio() != nullptr) {
      avcodec_parameters_copy(audio->codecpar, clip->audio()->codecpar);
      audio->codecpar->codec_tag = 0;
    } else {
      format.audio = {
          .codec = "aac", .sample_rate = default_sample_rate, .channels = default_channels};
      audio->codecpar->codec_type = AVMEDIA_TYPE_AUDIO;
      audio->codecpar->codec_id = AV_CODEC_ID_AAC;
      audio->codecpar->sample_rate = default_sample_rate;
      av_channel_layout_default(&audio->codecpar->ch_layout, default_channels);
      set_extradata(*audio->codecpar, default_audio_configuration);
    }
    audio->codecpar->frame_size = aac_frame;
    audio->time_base = {1, format.audio->sample_rate};

    set_metadata(*film);
    Options options;
    // Write the moov with the first fragment, because the first frame's delay is not known before.
    options.set("movflags", "frag_custom+delay_moov+default_base_moof");
    options.set("video_track_timescale", video_clock.den);
    options.set("use_editlist", "1");
    const int started = avformat_write_header(film.get(), options.address());
    if (started < 0) return fail(bad_media("No film begins with it: " + text_of(started) + "."));
    auto parameters = copy_parameters(*audio->codecpar);
    if (!parameters) return fail(bad_media("There is no memory for the film's sound."));
    sound.emplace(FilmSound::Settings{.parameters = std::move(parameters)},
                  [this](PacketPtr packet) { return write(*audio, std::move(packet)); });
    return {};
  }

  void set_metadata(AVFormatContext& to) const {
    const std::pair<const char*, std::string> texts[] = {{"title", tags.title},
                                                         {"description", tags.description},
                                                         {"comment", make_comment(tags)},
                                                         {"date", tags.date},
                                                         {"encoding_tool", tags.application}};
    for (const auto& [key, text] : texts) {
      if (!text.empty()) av_dict_set(&to.metadata, key, text.c_str(), 0);
    }
  }

  /// Makes a fragment of all packets that were written since the last fragment.
  Status flush() {
    // The first call writes only the moov.
    for (int calls = is_begun ? 1 : 2; calls > 0; --calls) {
      if (const int done = av_write_frame(film.get(), nullptr); done < 0) return fail_write(done);
    }
    is_begun = true;
    avio_flush(io.get());
    unflushed_frames = 0;
    return {};
  }

  Status write(AVStream& stream, PacketPtr packet) {
    if (!packet) return fail(bad_media("There is no memory for a packet."));
    packet->stream_index = stream.index;
    packet->pos = -1;
    if (const int done = av_write_frame(film.get(), packet.get()); done < 0)
      return fail_write(done);
    return {};
  }

  static tl::unexpected<Error> fail_write(int error) {
    return fail(bad_media("A packet of it fits into no film: " + text_of(error) + "."));
  }

  // --- a clip ---

  Status begin_clip(ByteStream& from) {
    auto opened = ClipDemuxer::open(from, true);
    if (!opened) return fail(std::move(opened.error()));
    auto& reader = **opened;
    auto configuration = reader.joinable();
    if (!configuration) return fail(std::move(configuration.error()));
    if (film) {
      if (auto mismatch = find_mismatch(format, reader.format())) return fail(std::move(*mismatch));
    }
    clip = std::move(*opened);
    if (!film) {
      format = clip->format();
      if (auto started = start_film(); !started) {
        clip.reset();
        film.reset();
        return started;
      }
      delay = clip->reorder_depth();
      active_sets = configuration->parameter_sets;
    }
    length_size = configuration->length_size;
    ahead.clear();
    if (configuration->parameter_sets != active_sets) ahead = configuration->parameter_sets;
    active_sets = std::move(configuration->parameter_sets);
    // Parameter sets may change within such a clip, so the next clip repeats its own.
    if (clip->video().codecpar->codec_tag == MKTAG('a', 'v', 'c', '3')) active_sets.clear();
    first_frame = frames;
    decoded = 0;
    old_delay = delay;
    delay = std::max(delay, clip->reorder_depth());
    sound->begin_clip(from, samples_at(first_frame));
    return {};
  }

  /// Returns the decoding time in ticks. If decoding runs further ahead in a clip than in the clips
  /// before, the clip begins with frames close to each other, so that time never goes back and no
  /// frame is late.
  [[nodiscard]] std::int64_t decoding_time(std::int64_t index) const {
    const auto base = static_cast<std::int64_t>(first_frame);
    return std::max((base - delay + index) * frame_ticks, (base - old_delay) * frame_ticks + index);
  }

  Status write_picture(const AVPacket& picture) {
    const auto index = clip->frame_of(picture);
    if (index < 0) {
      return fail(bad_media("Its first frame is not the first that is shown."));
    }
    auto bytes =
        std::span<const std::uint8_t>(picture.data, static_cast<std::size_t>(picture.size));
    avc::Bytes rewritten;
    if (length_size != 4 || !ahead.empty()) {
      auto done = avc::rewrite(bytes, length_size, ahead);
      if (!done) return fail(std::move(done.error()));
      rewritten = std::move(*done);
      bytes = rewritten;
      ahead.clear();
    }
    auto packet = make_packet(bytes);
    if (!packet) return fail(bad_media("There is no memory for a picture."));
    packet->flags = picture.flags & AV_PKT_FLAG_KEY;
    packet->pts = (static_cast<std::int64_t>(first_frame) + index) * frame_ticks;
    packet->dts = decoding_time(decoded);
    packet->duration = decoding_time(decoded + 1) - packet->dts;
    // A fragment has 32 bits for this difference.
    if (packet->pts - packet->dts > std::numeric_limits<std::int32_t>::max()) {
      return fail(bad_media("Its pictures stand still for longer than a film can say."));
    }
    ++decoded;
    ++unflushed_frames;
    frames = std::max(frames, first_frame + static_cast<std::uint64_t>(index) + 1);
    return write(*video, std::move(packet));
  }

  // --- sound ---

  [[nodiscard]] std::int64_t samples_at(std::uint64_t frame) const {
    const auto rate = format.video.rate;
    return av_rescale_q_rnd(static_cast<std::int64_t>(frame), {rate.seconds, rate.frames},
                            audio->time_base, AV_ROUND_NEAR_INF);
  }

  Status end_clip() {
    clip.reset();
    return sound->end_clip(samples_at(frames));
  }

  // --- the film ---

  Result<Bytes> read() {
    while (written.empty() && clip) {
      auto packet = clip->next();
      Status done;
      if (!packet) {
        done = fail(std::move(packet.error()));
      } else {
        done = *packet ? take(std::move(*packet)) : end_clip();
      }
      if (!clip && done && unflushed_frames > 0) done = flush();
      if (done) continue;
      // The film keeps the frames that have arrived.
      const auto error = std::move(done.error());
      if (clip) static_cast<void>(end_clip());
      clip.reset();
      return fail(error);
    }
    return std::exchange(written, {});
  }

  Status take(PacketPtr packet) {
    if (packet->stream_index == clip->video().index) {
      if (is_fragment_long() && !lags(late)) {
        if (auto done = flush(); !done) return done;
      }
      if (auto done = write_picture(*packet); !done) return done;
    } else {
      const auto time = clip->sample_of(*packet);
      sound->add(std::move(packet), time);
    }
    if (auto done = sound->write_until(samples_at(frames)); !done) return done;
    if (!is_fragment_long() || lags(usual)) return {};
    if (clip->audio() == nullptr) {
      if (auto done = sound->write_silence(samples_at(frames)); !done) return done;
    }
    return flush();
  }

  /// Whether the fragment has half a second of pictures.
  [[nodiscard]] bool is_fragment_long() const {
    const auto rate = format.video.rate;
    return unflushed_frames >=
           std::max<std::int64_t>(1, rate.frames / (2 * static_cast<std::int64_t>(rate.seconds)));
  }

  /// Whether the clip's sound lags behind the pictures in the file by more than these samples. If a
  /// clip's sound comes after its pictures, the pictures wait for the sound.
  [[nodiscard]] bool lags(std::int64_t samples) const {
    const auto shown = samples_at(first_frame + static_cast<std::uint64_t>(decoded));
    return clip->audio() != nullptr && sound->has_slot_before(shown - samples);
  }

  /// A fragment ends when its sound lags no more than usual. In a film the sound lags by one AAC
  /// frame more than in the film's clips, because its last frame is held back. So the next picture
  /// ends a fragment whose sound lags more, up to `late`: that is enough for a chain of 16 steps,
  /// each of which reads the film of the step before.
  static constexpr std::int64_t usual = 4 * std::int64_t{aac_frame};
  static constexpr std::int64_t late = 20 * std::int64_t{aac_frame};

  ClipTags tags;
  ClipFormat format;
  std::uint64_t frames = 0;  // in the film
  std::int64_t frame_ticks = 0;
  AVRational video_clock{};
  int delay = 0;  // frames by which decoding runs ahead of showing
  std::vector<avc::Bytes> active_sets;
  bool is_begun = false;
  std::int64_t unflushed_frames = 0;

  Bytes written;  // written by the muxer, and not read yet
  IoPtr io;
  OutputPtr film;
  AVStream* video = nullptr;
  AVStream* audio = nullptr;
  std::optional<FilmSound> sound;  // set when the film has begun

  std::unique_ptr<ClipDemuxer> clip;  // the clip that is being read
  std::uint64_t first_frame = 0;      // place of that clip in the film
  std::int64_t decoded = 0;           // frames of that clip so far
  int old_delay = 0;
  unsigned length_size = 4;
  std::vector<avc::Bytes> ahead;  // parameter sets that precede the clip's next picture
};

FilmJoiner::FilmJoiner() : p_(std::make_unique<Private>()) {}
FilmJoiner::~FilmJoiner() = default;

void FilmJoiner::set_tags(ClipTags tags) { p_->tags = std::move(tags); }

Status FilmJoiner::append(ByteStream& clip) { return p_->begin_clip(clip); }

Result<Bytes> FilmJoiner::read() { return p_->read(); }

Result<Bytes> FilmJoiner::finish() {
  if (!p_->film) return Bytes{};
  if (auto done = p_->sound->finish(); !done) return fail(std::move(done.error()));
  if (const int done = av_write_trailer(p_->film.get()); done < 0) {
    return fail(bad_media("The film cannot be ended: " + text_of(done) + "."));
  }
  avio_flush(p_->io.get());
  return std::exchange(p_->written, {});
}

std::vector<std::string> FilmJoiner::take_notices() {
  if (!p_->sound) return {};
  return p_->sound->take_notices();
}

const ClipFormat& FilmJoiner::format() const { return p_->format; }
std::uint64_t FilmJoiner::frames() const { return p_->frames; }

}  // namespace veo::media
