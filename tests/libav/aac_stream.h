// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Streams of AAC-LC for the tests: FFmpeg's encoder and decoder, without files.
#pragma once

extern "C" {
#include <libavutil/opt.h>
}

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <numbers>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "libav_ptr.h"

namespace veo::test {

using AacFrame = std::vector<std::uint8_t>;
/// Samples between -1 and 1, for each channel.
using Sound = std::vector<std::vector<float>>;
/// The sample of a channel at a time, in samples.
using Signal = std::function<double(std::size_t at, int channel)>;

struct AacStream {
  std::shared_ptr<const AVCodecParameters> parameters;
  std::vector<AacFrame> frames;
};

inline void require(bool is_done, const char* what) {
  if (!is_done) throw std::runtime_error(what);
}

/// Encodes `count` frames of the signal. `noise`: frames may hold noise that each decoder makes up.
inline AacStream encode_aac(const Signal& signal, int channels, std::size_t count,
                            int rate = 48'000, int bit_rate = 128'000, bool noise = false) {
  const auto* const encoder = avcodec_find_encoder_by_name("aac");
  const media::CodecPtr codec(avcodec_alloc_context3(encoder));
  codec->sample_rate = rate;
  codec->sample_fmt = AV_SAMPLE_FMT_FLTP;
  codec->bit_rate = bit_rate;
  codec->time_base = {1, rate};
  codec->flags |= AV_CODEC_FLAG_GLOBAL_HEADER | AV_CODEC_FLAG_BITEXACT;
  av_channel_layout_default(&codec->ch_layout, channels);
  av_opt_set_int(codec->priv_data, "aac_pns", noise ? 1 : 0, 0);
  require(avcodec_open2(codec.get(), encoder, nullptr) == 0, "no encoder for AAC");
  const std::shared_ptr<AVCodecParameters> parameters(
      avcodec_parameters_alloc(), [](AVCodecParameters* made) { avcodec_parameters_free(&made); });
  avcodec_parameters_from_context(parameters.get(), codec.get());
  AacStream stream{parameters, {}};
  const media::PacketPtr packet(av_packet_alloc());
  for (std::size_t at = 0; stream.frames.size() < count; at += 1024) {
    const media::FramePtr frame(av_frame_alloc());
    frame->nb_samples = 1024;
    frame->format = AV_SAMPLE_FMT_FLTP;
    frame->sample_rate = rate;
    frame->pts = static_cast<std::int64_t>(at);
    av_channel_layout_default(&frame->ch_layout, channels);
    require(av_frame_get_buffer(frame.get(), 0) == 0, "no memory for samples");
    for (int channel = 0; channel < channels; ++channel) {
      auto* const to = reinterpret_cast<float*>(frame->extended_data[channel]);
      for (std::size_t i = 0; i < 1024; ++i) {
        to[i] = static_cast<float>(signal(at + i, channel));
      }
    }
    require(avcodec_send_frame(codec.get(), frame.get()) == 0, "no frame of AAC");
    while (avcodec_receive_packet(codec.get(), packet.get()) == 0) {
      stream.frames.emplace_back(packet->data, packet->data + packet->size);
      av_packet_unref(packet.get());
    }
  }
  stream.frames.resize(count);
  return stream;
}

/// Decodes the frames, one after the other. The samples of frame k begin at 1,024 k.
inline Sound decode_aac(const AVCodecParameters& parameters, std::span<const AacFrame> frames) {
  const auto* const decoder = avcodec_find_decoder_by_name("aac");
  const media::CodecPtr codec(avcodec_alloc_context3(decoder));
  avcodec_parameters_to_context(codec.get(), &parameters);
  require(avcodec_open2(codec.get(), decoder, nullptr) == 0, "no decoder for AAC");
  const media::FramePtr frame(av_frame_alloc());
  Sound samples;
  for (const auto& bytes : frames) {
    const auto packet = media::make_packet(bytes);
    require(avcodec_send_packet(codec.get(), packet.get()) == 0 &&
                avcodec_receive_frame(codec.get(), frame.get()) == 0,
            "a frame cannot be decoded");
    samples.resize(static_cast<std::size_t>(frame->ch_layout.nb_channels));
    for (std::size_t channel = 0; channel < samples.size(); ++channel) {
      const auto* const from = reinterpret_cast<const float*>(frame->extended_data[channel]);
      samples[channel].insert(samples[channel].end(), from, from + frame->nb_samples);
    }
  }
  return samples;
}

/// Returns by how many dB the difference is below the sound, in the worst channel. 200: no
/// difference.
inline double compare_sound(const Sound& sound, std::size_t sound_at, const Sound& other,
                            std::size_t other_at, std::size_t count) {
  double worst = 200;
  for (std::size_t channel = 0; channel < sound.size(); ++channel) {
    double power = 0;
    double error = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const double a = sound[channel].at(sound_at + i);
      const double b = other.at(channel).at(other_at + i);
      power += a * a;
      error += (a - b) * (a - b);
    }
    if (error > 0) worst = std::min(worst, power > 0 ? 10 * std::log10(power / error) : -200);
  }
  return worst;
}

/// A sine. Each channel has a frequency of its own.
inline Signal sine(double frequency, double level = 0.3, int rate = 48'000) {
  return [=](std::size_t at, int channel) {
    return level * std::sin(2 * std::numbers::pi * frequency * (1 + 0.5 * channel) *
                            static_cast<double>(at) / rate);
  };
}

/// Silence with a click at each `period`, for which an encoder takes short windows.
inline Signal clicks(std::size_t period, double level = 0.8) {
  return [=](std::size_t at, int channel) {
    const auto since = (at + 300 * static_cast<std::size_t>(channel)) % period;
    return level * std::exp(-static_cast<double>(since) / 40) *
           std::cos(static_cast<double>(since) * 0.9);
  };
}

}  // namespace veo::test
