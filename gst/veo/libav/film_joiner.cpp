// SPDX-License-Identifier: LGPL-2.1-or-later
#include "film_joiner.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "avc.h"
#include "clip_demuxer.h"
#include "film_muxer.h"
#include "film_sound.h"

namespace veo::media {

struct FilmJoiner::Private {
  explicit Private(const Settings& its_settings) : settings(its_settings), muxer(its_settings) {}

  // --- output ---

  Status start_film() {
    if (!format.audio) format.audio = make_default_audio_format();
    if (auto begun = muxer.begin(*clip, format, tags); !begun) return begun;
    video = &muxer.video();
    audio = &muxer.audio();
    frame_ticks = muxer.frame_ticks();
    auto parameters = copy_parameters(*audio->codecpar);
    if (!parameters) return fail(bad_media("There is no memory for the film's sound."));
    // Only a file has an edit list that every reader honours.
    sound.emplace(FilmSound::Settings{.parameters = std::move(parameters),
                                      .keeps_priming = settings.file != nullptr},
                  [this](PacketPtr packet) { return muxer.write(*audio, std::move(packet)); });
    return {};
  }

  Status flush() {
    unflushed_frames = 0;
    return muxer.flush();
  }

  Status write(AVStream& track, PacketPtr packet) { return muxer.write(track, std::move(packet)); }

  // --- a clip ---

  Status begin_clip(ByteStream& from) {
    auto opened = ClipDemuxer::open(from, true);
    if (!opened) return fail(std::move(opened.error()));
    auto& reader = **opened;
    auto configuration = reader.joinable();
    if (!configuration) return fail(std::move(configuration.error()));
    if (muxer.has_begun()) {
      if (auto mismatch = find_mismatch(format, reader.format())) return fail(std::move(*mismatch));
    }
    if (settings.has_one_configuration && has_other_parameter_sets(reader.format())) {
      return fail(bad_media(
          "Its H.264 parameter sets are not those of the film, so the file has changed since it "
          "was first read. Run the same line again."));
    }
    clip = std::move(*opened);
    if (!muxer.has_begun()) {
      format = clip->format();
      if (auto started = start_film(); !started) {
        clip.reset();
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
    while (!muxer.has_written() && clip) {
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
    return muxer.take_written();
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

  /// Decoders of `avc1` take no parameter sets from the pictures, so such a film has only those of
  /// its first clip.
  [[nodiscard]] bool has_other_parameter_sets(const ClipFormat& next) const {
    const auto& first = muxer.has_begun() ? format : next;
    return next.parameter_sets.empty() || next.parameter_sets != first.parameter_sets;
  }

  const Settings settings;
  ClipTags tags;
  ClipFormat format;
  std::uint64_t frames = 0;  // in the film
  std::int64_t frame_ticks = 0;
  int delay = 0;  // frames by which decoding runs ahead of showing
  std::vector<avc::Bytes> active_sets;
  std::int64_t unflushed_frames = 0;

  FilmMuxer muxer;
  AVStream* video = nullptr;  // the tracks of the muxer
  AVStream* audio = nullptr;
  std::optional<FilmSound> sound;  // set when the film has begun

  std::unique_ptr<ClipDemuxer> clip;  // the clip that is being read
  std::uint64_t first_frame = 0;      // place of that clip in the film
  std::int64_t decoded = 0;           // frames of that clip so far
  int old_delay = 0;
  unsigned length_size = 4;
  std::vector<avc::Bytes> ahead;  // parameter sets that precede the clip's next picture
};

FilmJoiner::FilmJoiner(Settings settings) : p_(std::make_unique<Private>(settings)) {}
FilmJoiner::~FilmJoiner() = default;

void FilmJoiner::set_tags(ClipTags tags) { p_->tags = std::move(tags); }

Status FilmJoiner::append(ByteStream& clip) { return p_->begin_clip(clip); }

Result<Bytes> FilmJoiner::read() { return p_->read(); }

Result<Bytes> FilmJoiner::finish() {
  if (!p_->muxer.has_begun()) return Bytes{};
  if (auto done = p_->sound->finish(); !done) return fail(std::move(done.error()));
  if (auto done = p_->muxer.finish(p_->frames); !done) return fail(std::move(done.error()));
  return p_->muxer.take_written();
}

std::vector<std::string> FilmJoiner::take_notices() {
  if (!p_->sound) return {};
  return p_->sound->take_notices();
}

const ClipFormat& FilmJoiner::format() const { return p_->format; }
std::uint64_t FilmJoiner::frames() const { return p_->frames; }

}  // namespace veo::media
