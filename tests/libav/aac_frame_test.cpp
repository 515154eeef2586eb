// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Lets FFmpeg's decoder decode the frames that the writer writes, and compares the samples with the
// formulas of ISO/IEC 14496-3, 4.6.11.
#include "aac_frame.h"

#include <gtest/gtest.h>

#include <random>

#include "aac_stream.h"
#include "aac_window.h"

namespace veo::media::aac {
namespace {

using test::compare_sound;
using test::decode_aac;

constexpr int rates[] = {96'000, 88'200, 64'000, 48'000, 44'100, 32'000, 24'000,
                         22'050, 16'000, 12'000, 11'025, 8'000,  7'350};

std::shared_ptr<const AVCodecParameters> make_parameters(unsigned index, int channels) {
  auto* const made = avcodec_parameters_alloc();
  made->codec_type = AVMEDIA_TYPE_AUDIO;
  made->codec_id = AV_CODEC_ID_AAC;
  made->sample_rate = rates[index];
  av_channel_layout_default(&made->ch_layout, channels);
  // AudioSpecificConfig (1.6.2.1): AAC-LC, the index of the sample rate, the channels.
  const auto configuration = 2U << 11U | index << 7U | static_cast<unsigned>(channels) << 3U;
  made->extradata = static_cast<std::uint8_t*>(av_mallocz(2 + AV_INPUT_BUFFER_PADDING_SIZE));
  made->extradata_size = 2;
  made->extradata[0] = static_cast<std::uint8_t>(configuration >> 8U);
  made->extradata[1] = static_cast<std::uint8_t>(configuration);
  return {made, [](AVCodecParameters* owned) { avcodec_parameters_free(&owned); }};
}

/// Returns the windowed samples of one channel between -1 and 1, by the formulas themselves.
std::vector<float> invert(const Channel& channel, Shape left_shape) {
  const bool is_short = channel.sequence == Sequence::eight_short;
  const std::size_t length = is_short ? 128 : frame_length;
  const bool rises_steeply =
      channel.sequence == Sequence::eight_short || channel.sequence == Sequence::long_stop;
  const bool falls_steeply =
      channel.sequence == Sequence::eight_short || channel.sequence == Sequence::long_start;
  std::vector<double> samples(2 * frame_length);
  for (std::size_t block = 0; block < frame_length / length; ++block) {
    const auto begin = is_short ? 448 + 128 * block : 0;
    for (std::size_t n = 0; n < 2 * length; ++n) {
      double sum = 0;
      for (std::size_t k = 0; k < length; ++k) {
        const auto value = channel.coefficients[block * length + k];
        if (value == 0) continue;
        const auto place = static_cast<double>(n) + (static_cast<double>(length) + 1) / 2;
        sum += double{value} * std::cos(std::numbers::pi / static_cast<double>(length) * place *
                                        (static_cast<double>(k) + 0.5));
      }
      sum /= static_cast<double>(length);
      if (is_short) {
        // A steep slope is the middle of a half's window.
        const auto& rise = left_window(Slope::steep, block == 0 ? left_shape : channel.shape);
        const auto& fall = left_window(Slope::steep, channel.shape);
        sum *= n < length ? rise[448 + n] : fall[448 + 2 * length - 1 - n];
      }
      samples[begin + n] += sum;
    }
  }
  std::vector<float> windowed(samples.size());
  for (std::size_t n = 0; n < samples.size(); ++n) {
    if (!is_short) {
      const auto& rise = left_window(rises_steeply ? Slope::steep : Slope::gradual, left_shape);
      const auto& fall = left_window(falls_steeply ? Slope::steep : Slope::gradual, channel.shape);
      samples[n] *= n < frame_length ? rise[n] : fall[2 * frame_length - 1 - n];
    }
    windowed[n] = static_cast<float>(samples[n] / 32'768);
  }
  return windowed;
}

/// Some coefficients, of which only `count` are not zero, so that a test is quick.
Channel make_channel(Sequence sequence, Shape shape, unsigned seed, std::size_t count = 8) {
  Channel channel{.sequence = sequence, .shape = shape};
  std::mt19937 random(seed);
  for (std::size_t i = 0; i < count; ++i) {
    const auto sign = random() % 2 == 0 ? 1.0F : -1.0F;
    const auto size = std::exp2(static_cast<float>(random() % 2'000) / 100.0F);
    channel.coefficients[random() % frame_length] = sign * size;
  }
  return channel;
}

class AacFrameOfRate : public testing::TestWithParam<unsigned> {};

TEST_P(AacFrameOfRate, IsDecodedAsTheStandardSays) {
  const auto index = GetParam();
  ASSERT_EQ(find_sampling_index(rates[index]), index);
  // The bits of a window do not depend on the sample rate, but the number of its bands does.
  const unsigned kinds = rates[index] == 48'000 ? 16 : 4;
  for (const bool is_pair : {false, true}) {
    const Element element{is_pair, 0};
    const std::size_t channels = is_pair ? 2 : 1;
    const auto parameters = make_parameters(index, static_cast<int>(channels));
    for (unsigned kind = 0; kind < kinds; ++kind) {
      SCOPED_TRACE("kind " + std::to_string(kind) + (is_pair ? ", pair" : ", single"));
      const auto sequence = static_cast<Sequence>(kind & 3U);
      const auto shape = static_cast<Shape>(kind >> 2U & 1U);
      const auto left_shape = static_cast<Shape>(kind >> 3U);
      std::vector<Channel> made;
      test::Sound wanted;
      for (unsigned channel = 0; channel < channels; ++channel) {
        made.push_back(make_channel(sequence, shape, kind * 2 + channel));
        wanted.push_back(invert(made.back(), left_shape));
      }
      const auto before =
          write_frame(element, index, std::vector(channels, Channel{.shape = left_shape}));
      const auto after = write_frame(element, index, std::vector<Channel>(channels));
      const auto frame = write_frame(element, index, made);
      EXPECT_LE(frame.size() * 8, 6144 * channels);
      const std::vector frames = {before, frame, after};
      const auto seen = decode_aac(*parameters, frames);
      ASSERT_EQ(seen.size(), channels);
      ASSERT_EQ(seen[0].size(), 3 * frame_length);
      EXPECT_GT(compare_sound(wanted, 0, seen, frame_length, 2 * frame_length), 60);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(SampleRates, AacFrameOfRate, testing::Range(0U, 13U));

TEST(AacFrameWriter, KeepsWithinTheBitsOfADecoder) {
  for (const auto sequence : {Sequence::only_long, Sequence::eight_short}) {
    const std::vector channels = {make_channel(sequence, Shape::sine, 1, 20'000),
                                  make_channel(sequence, Shape::sine, 2, 20'000)};
    const auto frame = write_frame({true, 0}, 3, channels);
    EXPECT_LE(frame.size() * 8, 2 * 6144U);
    EXPECT_GT(frame.size() * 8, 2 * 5800U) << "bits are left over";
  }
}

TEST(AacFrameWriter, KeepsTheLargestValueThatCanBe) {
  Channel channel;
  channel.coefficients[7] = 2.0F * 32'768 * 1024;
  channel.coefficients[8] = -1;
  const std::vector frames = {write_frame({false, 0}, 3, std::vector{channel}),
                              write_frame({false, 0}, 3, std::vector{Channel{}})};
  const auto seen = decode_aac(*make_parameters(3, 1), frames);
  EXPECT_GT(compare_sound({invert(channel, Shape::sine)}, 0, seen, 0, 2 * frame_length), 60);
}

TEST(AacFrameWriter, WritesNoSoundIntoASilentChannelBesideALoudOne) {
  const std::vector channels = {make_channel(Sequence::only_long, Shape::sine, 1, 20'000),
                                Channel{}};
  const auto frame = write_frame({true, 0}, 3, channels);
  const std::vector frames = {frame, frame};
  const auto seen = decode_aac(*make_parameters(3, 2), frames);
  EXPECT_NE(seen[0][1000], 0);
  for (const auto sample : seen[1]) ASSERT_EQ(sample, 0);
}

TEST(AacFrameReader, FindsTheElementBehindFillAndData) {
  const auto find = [](std::vector<std::uint8_t> frame) { return find_element(frame); };
  EXPECT_EQ(find({0x21, 0x00}), (Element{true, 0}));   // CPE, tag 0
  EXPECT_EQ(find({0x0A, 0x00}), (Element{false, 5}));  // SCE, tag 5
  // FIL of one byte (110 0001 + 8 bits), then CPE with tag 3 (001 0011).
  EXPECT_EQ(find({0b1100'0011, 0b1111'1110, 0b0100'1100}), (Element{true, 3}));
  // FIL of 15 + 2 - 1 bytes (110 1111 00000010), then SCE with tag 1 (000 0001).
  std::vector<std::uint8_t> filled = {0b1101'1110, 0b0000'0100};
  filled.resize(2 + 16);
  filled.push_back(0b0000'0100);
  EXPECT_EQ(find(filled), (Element{false, 1}));
  // DSE with tag 0, aligned, one byte (100 0000 1 00000001), then CPE with tag 2.
  EXPECT_EQ(find({0b1000'0001, 0x01, 0xFF, 0b0010'0100}), (Element{true, 2}));
  EXPECT_EQ(find({0b0110'0000}), std::nullopt);  // LFE
  EXPECT_EQ(find({0b1010'0000}), std::nullopt);  // PCE
  EXPECT_EQ(find({0b1110'0000}), std::nullopt);  // END
  EXPECT_EQ(find({}), std::nullopt);
  EXPECT_EQ(find({0b1101'1111, 0xFF}), std::nullopt);  // FIL beyond the end
}

TEST(AacFrameReader, KnowsTheSampleRatesOfTheStandard) {
  EXPECT_EQ(find_sampling_index(96'000), 0U);
  EXPECT_EQ(find_sampling_index(7'350), 12U);
  EXPECT_EQ(find_sampling_index(48'001), std::nullopt);
}

// The windows of the standard overlap without a trace: their squares and those of their mirror
// images add up to 1.
TEST(AacWindow, MeetsThePrincenBradleyCondition) {
  for (const auto slope : {Slope::gradual, Slope::steep}) {
    for (const auto shape : {Shape::sine, Shape::kaiser_bessel}) {
      const auto& window = left_window(slope, shape);
      for (std::size_t i = 0; i < window.size(); ++i) {
        const auto mirror = window[window.size() - 1 - i];
        ASSERT_NEAR(window[i] * window[i] + mirror * mirror, 1, 1e-6) << i;
      }
    }
  }
}

class AacWindows : public testing::TestWithParam<unsigned> {};

TEST_P(AacWindows, AreFoundAndTurnedBackIntoTheFrame) {
  const auto sequence = static_cast<Sequence>(GetParam() & 3U);
  const auto shape = static_cast<Shape>(GetParam() >> 2U & 1U);
  const auto left_shape = static_cast<Shape>(GetParam() >> 3U);
  const auto channel = make_channel(sequence, shape, GetParam(), 200);
  const auto samples = invert(channel, left_shape);
  Half left{};
  Half right{};
  std::copy_n(samples.begin(), frame_length, left.begin());
  std::copy_n(samples.begin() + frame_length, frame_length, right.begin());
  const bool rises = sequence == Sequence::eight_short || sequence == Sequence::long_stop;
  const bool falls = sequence == Sequence::eight_short || sequence == Sequence::long_start;
  EXPECT_EQ(is_steep_left(left), rises);
  EXPECT_EQ(is_steep_right(right), falls);
  const auto left_slope = rises ? Slope::steep : Slope::gradual;
  const auto right_slope = falls ? Slope::steep : Slope::gradual;
  EXPECT_EQ(find_shape({}, left, left_slope), left_shape);
  EXPECT_EQ(find_shape(right, {}, right_slope), shape);
  const auto again = transform(left, left_slope, left_shape, right, right_slope, shape);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->sequence, sequence);
  EXPECT_EQ(again->shape, shape);
  double power = 0;
  double error = 0;
  for (std::size_t i = 0; i < frame_length; ++i) {
    const double wanted = channel.coefficients[i];
    power += wanted * wanted;
    error += (wanted - again->coefficients[i]) * (wanted - again->coefficients[i]);
  }
  EXPECT_LT(error, power * 1e-9);
}

INSTANTIATE_TEST_SUITE_P(Kinds, AacWindows, testing::Range(0U, 16U));

}  // namespace
}  // namespace veo::media::aac
