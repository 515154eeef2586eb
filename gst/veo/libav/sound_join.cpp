// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sound_join.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>

#include "aac_frame.h"
#include "aac_window.h"

namespace veo::media {

namespace {

using aac::Half;
using aac::Shape;
using aac::Slope;
using FrameBytes = std::span<const std::uint8_t>;
/// The samples that a decoder makes of one frame, for each channel, between -1 and 1.
using Output = std::vector<Half>;

/// Decodes sequences of frames, each from a state without sound.
class FrameDecoder {
 public:
  enum class Start { silence, anew };

  /// With `Start::anew` each sequence has a decoder of its own. Else a frame of silence precedes
  /// each sequence in one decoder, which is quicker, but the noise that a decoder makes up then
  /// differs each time.
  FrameDecoder(const AVCodecParameters& sound, CodecPtr& codec, FrameBytes silence, Start start)
      : sound_(sound), codec_(codec), silence_(silence), start_(start) {}

  [[nodiscard]] FrameBytes silence() const { return silence_; }
  Result<std::vector<Output>> decode(std::initializer_list<FrameBytes> frames);

 private:
  Status open();
  Result<Output> decode_frame(FrameBytes bytes);

  const AVCodecParameters& sound_;
  CodecPtr& codec_;
  const FrameBytes silence_;
  const Start start_;
};

Status FrameDecoder::open() {
  const auto* const decoder = avcodec_find_decoder_by_name("aac");
  codec_.reset(avcodec_alloc_context3(decoder));
  if (decoder == nullptr || !codec_ || avcodec_parameters_to_context(codec_.get(), &sound_) < 0 ||
      avcodec_open2(codec_.get(), decoder, nullptr) < 0) {
    codec_.reset();
    return fail(bad_media("FFmpeg cannot decode the sound"));
  }
  return {};
}

Result<Output> FrameDecoder::decode_frame(FrameBytes bytes) {
  const auto packet = make_packet(bytes);
  const FramePtr frame(av_frame_alloc());
  if (!packet || !frame || avcodec_send_packet(codec_.get(), packet.get()) < 0 ||
      avcodec_receive_frame(codec_.get(), frame.get()) < 0) {
    return fail(bad_media("FFmpeg cannot decode the sound"));
  }
  if (frame->nb_samples != static_cast<int>(aac::frame_length) ||
      frame->sample_rate != sound_.sample_rate || frame->format != AV_SAMPLE_FMT_FLTP) {
    return fail(bad_media("the sound is not plain AAC-LC with frames of 1,024 samples"));
  }
  Output output(static_cast<std::size_t>(frame->ch_layout.nb_channels));
  for (std::size_t channel = 0; channel < output.size(); ++channel) {
    const auto* const samples = reinterpret_cast<const float*>(frame->extended_data[channel]);
    std::copy_n(samples, aac::frame_length, output[channel].begin());
  }
  return output;
}

Result<std::vector<Output>> FrameDecoder::decode(std::initializer_list<FrameBytes> frames) {
  if (start_ == Start::anew) codec_.reset();
  if (!codec_) {
    if (auto done = open(); !done) return fail(std::move(done.error()));
  }
  std::vector<Output> outputs;
  const auto decode_all = [&]() -> Status {
    if (start_ == Start::silence) {
      if (auto done = decode_frame(silence_); !done) return fail(std::move(done.error()));
    }
    for (const auto& bytes : frames) {
      auto output = decode_frame(bytes);
      if (!output) return fail(std::move(output.error()));
      outputs.push_back(std::move(*output));
    }
    return {};
  };
  if (auto done = decode_all(); !done) {
    codec_.reset();  // its state is not known
    return fail(std::move(done.error()));
  }
  return outputs;
}

Error other_channels() { return bad_media("their channels differ"); }

/// Two frames that follow each other in one stream, taken apart.
struct Pair {
  Output output;        // of the second frame
  Output right_halves;  // of the first frame
  Output left_halves;   // of the second frame
};

Result<Pair> take_apart(FrameDecoder& decoder, FrameBytes first, FrameBytes second) {
  auto alone = decoder.decode({first, decoder.silence()});
  if (!alone) return fail(std::move(alone.error()));
  auto both = decoder.decode({first, second});
  if (!both) return fail(std::move(both.error()));
  Pair pair{.output = std::move((*both)[1]), .right_halves = std::move((*alone)[1])};
  if (pair.output.size() != pair.right_halves.size()) {
    return fail(other_channels());
  }
  pair.left_halves = pair.output;
  for (std::size_t channel = 0; channel < pair.output.size(); ++channel) {
    std::ranges::transform(pair.output[channel], pair.right_halves[channel],
                           pair.left_halves[channel].begin(), std::minus());
  }
  return pair;
}

/// The slope of the windows with which the frames of a pair overlap.
Slope find_slope(const Half& right, const Half& left) {
  const bool is_steep = aac::is_zero(left) ? aac::is_steep_right(right) : aac::is_steep_left(left);
  return is_steep ? Slope::steep : Slope::gradual;
}

double sum_of_squares(const Half& samples) {
  double sum = 0;
  for (const auto sample : samples) sum += double{sample} * sample;
  return sum;
}

double sum_of_squares(const Half& a, const Half& b) {
  Half difference{};
  std::ranges::transform(a, b, difference.begin(), std::minus());
  return sum_of_squares(difference);
}

/// Returns by how many dB the error in two slots is below the sound of two pairs, in the worst
/// channel. The slots should be `first` and `second`.
double measure(const Pair& from, const Pair& to, const Output& first, const Output& second,
               const std::vector<Output>& joined) {
  // An error far below the least step of 16 bits counts as none.
  constexpr double inaudible = 2 * aac::frame_length * (0.1 / 32'768) * (0.1 / 32'768);
  constexpr double best = 200;
  double worst = best;
  for (std::size_t channel = 0; channel < from.output.size(); ++channel) {
    const auto sound = sum_of_squares(from.output[channel]) + sum_of_squares(to.output[channel]);
    const auto error = sum_of_squares(first[channel], joined[1][channel]) +
                       sum_of_squares(second[channel], joined[2][channel]);
    // A damaged frame can be decoded to anything.
    if (!std::isfinite(sound) || !std::isfinite(error)) return 0;
    if (error <= inaudible) continue;
    worst = std::min(worst, sound > 0 ? 10 * std::log10(sound / error) : 0);
  }
  return worst;
}

/// Whether a frame has noise that the decoder makes up, so that the frame never sounds the same.
bool has_noise(FrameDecoder& decoder, FrameBytes frame) {
  const auto silence = decoder.silence();
  const auto twice = decoder.decode({silence, frame, silence, frame});
  return twice && (*twice)[1] != (*twice)[3];
}

/// Makes the frame, and measures its error, however large the error is.
Result<JoinFrame> make_any_frame(FrameDecoder& decoder, const SoundJoin& join,
                                 const aac::Element& element, unsigned sampling_index) {
  const auto from = take_apart(decoder, join.previous, join.last);
  if (!from) return fail(from.error());
  const auto to = take_apart(decoder, join.before, join.next);
  if (!to) return fail(to.error());
  const std::size_t channels = element.is_pair ? 2 : 1;
  if (from->output.size() != channels || to->output.size() != channels)
    return fail(other_channels());

  std::vector<aac::Channel> made;
  for (std::size_t channel = 0; channel < channels; ++channel) {
    const auto& left = from->left_halves[channel];
    const auto& right = to->right_halves[channel];
    const auto left_slope = find_slope(from->right_halves[channel], left);
    const auto right_slope = find_slope(right, to->left_halves[channel]);
    const auto one = aac::transform(
        left, left_slope, aac::find_shape(from->right_halves[channel], left, left_slope),  //
        right, right_slope, aac::find_shape(right, to->left_halves[channel], right_slope));
    if (!one) return fail(bad_media("there is no memory"));
    made.push_back(*one);
  }
  JoinFrame frame{.bytes = aac::write_frame(element, sampling_index, made)};

  const auto joined = decoder.decode({join.previous, frame.bytes, join.next});
  if (!joined) return fail(joined.error());
  if ((*joined)[1].size() != channels || (*joined)[2].size() != channels)
    return fail(other_channels());
  frame.decibels = measure(*from, *to, from->output, to->output, *joined);
  if (frame.decibels < least_quality && has_noise(decoder, join.next)) {
    // The noise of `next` differs, so compare only what the new frame adds to the output of `next`.
    const auto alone = decoder.decode({join.previous, frame.bytes, decoder.silence()});
    if (!alone) return fail(alone.error());
    frame.decibels = measure(*from, *to, from->output, to->right_halves, *alone);
  }
  return frame;
}

}  // namespace

Result<JoinFrame> SoundJoiner::make_frame(const SoundJoin& join) {
  const auto element = aac::find_element(join.last);
  const auto index = aac::find_sampling_index(sound_->sample_rate);
  if (!element || !index) return fail(bad_media("the sound is not plain AAC-LC"));
  const std::size_t channels = element->is_pair ? 2 : 1;
  const auto silence = aac::write_frame(*element, *index, std::vector<aac::Channel>(channels));
  const auto or_silence = [&silence](FrameBytes frame) {
    return frame.empty() ? FrameBytes(silence) : frame;
  };
  const SoundJoin whole{.previous = or_silence(join.previous),
                        .last = join.last,
                        .before = or_silence(join.before),
                        .next = or_silence(join.next)};
  for (const auto& frame : {whole.previous, whole.before, whole.next}) {
    if (aac::find_element(frame) != element) return fail(other_channels());
  }
  FrameDecoder quick(*sound_, decoder_, silence, FrameDecoder::Start::silence);
  auto frame = make_any_frame(quick, whole, *element, *index);
  if (frame && frame->decibels >= least_quality) return frame;
  // Frames can have noise that depends on what the decoder decoded before.
  FrameDecoder thorough(*sound_, decoder_, silence, FrameDecoder::Start::anew);
  frame = make_any_frame(thorough, whole, *element, *index);
  if (frame && frame->decibels < least_quality) {
    return fail(bad_media("a frame between them would have an error only " +
                          std::to_string(static_cast<int>(frame->decibels)) +
                          " dB below the sound"));
  }
  return frame;
}

}  // namespace veo::media
