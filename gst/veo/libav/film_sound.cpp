// SPDX-License-Identifier: LGPL-2.1-or-later
#include "film_sound.h"

#include <array>
#include <cstdio>
#include <span>

#include "veo/core/log.h"

namespace veo::media {

namespace {

// An AAC frame of silence (ISO/IEC 14496-3, 4.4.2): a single channel element, or a pair of them,
// without coefficients, and the end element.
constexpr std::array<std::uint8_t, 6> mono_silence = {0x00, 0xC8, 0x00, 0x80, 0x23, 0x80};
constexpr std::array<std::uint8_t, 9> stereo_silence = {0x21, 0x00, 0x49, 0x90, 0x02,
                                                        0x19, 0x00, 0x23, 0x80};

/// The most joins that are made for one clip. Each needs milliseconds, and a damaged clip can have
/// a gap after each frame.
constexpr int most_joins = 64;

}  // namespace

void FilmSound::begin_clip(const ByteStream& clip, std::int64_t start) {
  clip_ = &clip;
  start_ = start;
  ++clips_;
  frames_ = 0;
  joins_ = 0;
  sounds_.clear();
  passed_ = {};
}

void FilmSound::add(PacketPtr frame, std::int64_t time) {
  sounds_.push_back({.id = {clips_, frames_++},
                     .bytes = {frame->data, frame->data + frame->size},
                     .time = start_ + time});
}

Status FilmSound::write_until(std::int64_t end) {
  while (!sounds_.empty() && has_slot_before(end)) {
    const auto time = sounds_.front().time;
    if (time >= end) break;
    // Skip priming, and sound that would overlap the sound before.
    if (time > slots_ * aac_frame - aac_frame / 2) {
      if (auto done = write_silence(time); !done) return done;
      if (auto done = put(sounds_.front(), passed_); !done) return done;
    }
    passed_ = std::move(sounds_.front());
    sounds_.pop_front();
  }
  return {};
}

Status FilmSound::write_silence(std::int64_t end) {
  while (has_slot_before(end)) {
    if (clip_->is_interrupted()) {
      return fail({.code = ErrorCode::network, .message = "The wait was interrupted."});
    }
    if (auto done = put(make_silence(), {}); !done) return done;
  }
  return {};
}

Status FilmSound::end_clip(std::int64_t end) {
  auto done = write_until(end);
  sounds_.clear();
  passed_ = {};
  if (done) done = write_silence(end);
  clip_ = nullptr;
  return done;
}

Status FilmSound::finish() { return write_held(); }

Status FilmSound::put(Sound next, const Sound& before) {
  const bool is_first = slots_ == 0;
  if (is_first && settings_.keeps_priming && !before.bytes.empty()) {
    held_ = before;
    held_slot_ = -1;
  }
  if (!is_first && held_.id != before.id) make_join(next, before);
  if (auto done = write_held(); !done) return done;
  previous_ = std::exchange(held_, std::move(next));
  held_slot_ = slots_++;
  return {};
}

void FilmSound::make_join(const Sound& next, const Sound& before) {
  const auto made = ++joins_ > most_joins ? fail(bad_media("the clip's sound has too many gaps"))
                                          : joiner_.make_frame({.previous = previous_.bytes,
                                                                .last = held_.bytes,
                                                                .before = before.bytes,
                                                                .next = next.bytes});
  const auto milliseconds = slots_ * aac_frame * 1000 / settings_.parameters->sample_rate;
  std::array<char, 32> time{};
  std::snprintf(time.data(), time.size(), "%.3f s", static_cast<double>(milliseconds) / 1000);
  if (made) {
    held_.bytes = made->bytes;
    log::debug(log::Category::film, "the sound joins at ", log::text(time.data()),
               ", with an error ", static_cast<int>(made->decibels), " dB below the sound");
    return;
  }
  // One notice is enough for a clip with many gaps.
  if (joins_ > most_joins + 1) return;
  notices_.push_back("The film's sound may click at " + std::string(time.data()) +
                     ", where two clips meet, because " + made.error().message +
                     ". The rest of the film is exact.");
  log::warning(log::Category::film, log::text(notices_.back()));
}

Status FilmSound::write_held() {
  if (held_.bytes.empty()) return {};
  auto packet = make_packet(held_.bytes);
  if (!packet) return fail(bad_media("There is no memory for a sound."));
  packet->flags = AV_PKT_FLAG_KEY;
  packet->pts = packet->dts = held_slot_ * aac_frame;
  packet->duration = aac_frame;
  return write_(std::move(packet));
}

FilmSound::Sound FilmSound::make_silence() const {
  const std::span<const std::uint8_t> frame = settings_.parameters->ch_layout.nb_channels == 1
                                                  ? std::span<const std::uint8_t>(mono_silence)
                                                  : stereo_silence;
  return {.bytes = {frame.begin(), frame.end()}};
}

}  // namespace veo::media
