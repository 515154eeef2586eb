// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Joins streams of AAC at single frames, and compares what a decoder makes of them with what the
// decoder makes of each stream alone.
#include "sound_join.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iostream>
#include <random>
#include <set>

#include "aac_frame.h"
#include "aac_stream.h"

namespace veo::media {
namespace {

using test::AacFrame;
using test::AacStream;
using test::compare_sound;
using test::decode_aac;
using test::encode_aac;
using testing::HasSubstr;

constexpr std::size_t frame_size = 1024;
// What is measured with the fixed signals of these tests, less some dB.
constexpr double least_with_sines = 45;
constexpr double least_with_clicks = 33;

/// The window sequence of the first channel of a frame that the writer wrote.
unsigned find_sequence(const AacFrame& frame) {
  const bool is_pair = frame[0] >> 5U == 1;
  // After the element's id, tag and common_window come global_gain and a reserved bit.
  const unsigned at = 3 + 4 + (is_pair ? 1 : 0) + 8 + 1;
  return (static_cast<unsigned>(frame[at / 8] << 8U | frame[at / 8 + 1]) >> (14 - at % 8)) & 3U;
}

Result<JoinFrame> make_join_frame(const AacStream& stream, const SoundJoin& join) {
  return SoundJoiner(stream.parameters).make_frame(join);
}

struct JoinedStream {
  std::vector<AacFrame> frames;
  double said = 0;   // by make_frame()
  double left = 0;   // error in the 1,024 samples before the join
  double right = 0;  // error in the 1,024 samples after the join
  unsigned sequence = 0;
};

/// Joins the frames of `a` up to `last` and those of `b` from `first`. Expects that all other
/// samples stay the same.
JoinedStream join_streams(const AacStream& a, std::size_t last, const AacStream& b,
                          std::size_t first) {
  const auto made = make_join_frame(a, {.previous = a.frames[last - 1],
                                        .last = a.frames[last],
                                        .before = b.frames[first - 1],
                                        .next = b.frames[first]});
  if (!made) {
    ADD_FAILURE() << made.error().message;
    return {};
  }
  JoinedStream joined{.said = made->decibels, .sequence = find_sequence(made->bytes)};
  joined.frames.assign(a.frames.begin(), a.frames.begin() + static_cast<std::ptrdiff_t>(last));
  joined.frames.push_back(made->bytes);
  joined.frames.insert(joined.frames.end(), b.frames.begin() + static_cast<std::ptrdiff_t>(first),
                       b.frames.end());
  const auto from = decode_aac(*a.parameters, a.frames);
  const auto to = decode_aac(*a.parameters, b.frames);
  const auto film = decode_aac(*a.parameters, joined.frames);
  const auto at = last * frame_size;  // of the last samples of `a`
  EXPECT_EQ(compare_sound(from, 0, film, 0, at), 200) << "before the join";
  joined.left = compare_sound(from, at, film, at, frame_size);
  joined.right = compare_sound(to, first * frame_size, film, at + frame_size, frame_size);
  EXPECT_EQ(compare_sound(to, (first + 1) * frame_size, film, at + 2 * frame_size,
                          (b.frames.size() - first - 1) * frame_size),
            200)
      << "after the join";
  EXPECT_EQ(film[0].size(), joined.frames.size() * frame_size);
  return joined;
}

TEST(SoundJoin, JoinsSines) {
  const auto a = encode_aac(test::sine(440), 2, 20);
  const auto b = encode_aac(test::sine(620), 2, 20);
  const auto joined = join_streams(a, 10, b, 5);
  std::cout << "sines: " << joined.left << " and " << joined.right << " dB\n";
  EXPECT_GT(joined.left, least_with_sines);
  EXPECT_GT(joined.right, least_with_sines);
  EXPECT_GT(joined.said, least_with_sines);
  EXPECT_EQ(joined.sequence, 0U);
}

// Clicks make the encoder change between long and short windows, so the frames at a join have each
// pair of slopes.
TEST(SoundJoin, JoinsEachPairOfSlopes) {
  for (const int channels : {1, 2}) {
    SCOPED_TRACE(std::to_string(channels) + " channels");
    const auto a = encode_aac(test::clicks(5'000), channels, 40);
    const auto b = encode_aac(test::clicks(4'300), channels, 40);
    std::set<unsigned> sequences;
    double worst = 200;
    for (std::size_t last = 6; last < 16; ++last) {
      for (std::size_t first = 6; first < 16; ++first) {
        SCOPED_TRACE(std::to_string(last) + ", " + std::to_string(first));
        const auto joined = join_streams(a, last, b, first);
        sequences.insert(joined.sequence);
        worst = std::min(worst, joined.said);
        EXPECT_GT(joined.said, least_with_clicks);
      }
    }
    std::cout << channels << " channels with clicks: " << worst << " dB\n";
    EXPECT_EQ(sequences, (std::set<unsigned>{0, 1, 2, 3}));
  }
}

TEST(SoundJoin, JoinsAtEachSampleRate) {
  for (const int rate : {8'000, 16'000, 22'050, 32'000, 44'100, 96'000}) {
    SCOPED_TRACE(rate);
    const auto a = encode_aac(test::sine(440, 0.3, rate), 1, 12, rate, 64'000);
    const auto b = encode_aac(test::sine(620, 0.3, rate), 1, 12, rate, 64'000);
    EXPECT_GT(join_streams(a, 6, b, 5).said, least_with_sines);
  }
}

TEST(SoundJoin, TakesAMissingFrameForSilence) {
  const auto a = encode_aac(test::sine(440), 2, 12);
  const auto made = make_join_frame(a, {.last = a.frames[5], .next = a.frames[8]});
  ASSERT_TRUE(made) << made.error().message;
  const std::vector frames = {made->bytes, a.frames[8]};
  const auto film = decode_aac(*a.parameters, frames);
  const auto from = decode_aac(*a.parameters, std::span(a.frames).subspan(5, 1));
  const auto to = decode_aac(*a.parameters, std::span(a.frames).subspan(8, 1));
  EXPECT_GT(compare_sound(from, 0, film, 0, frame_size), least_with_sines);
  EXPECT_GT(compare_sound(to, 0, film, frame_size, frame_size), least_with_sines);
}

TEST(SoundJoin, LeavesASilentChannelSilent) {
  const auto left_only = [](double frequency) {
    return [=, sine = test::sine(frequency)](std::size_t at, int channel) {
      return channel == 0 ? sine(at, 0) : 0;
    };
  };
  const auto a = encode_aac(left_only(440), 2, 12);
  const auto b = encode_aac(left_only(620), 2, 12);
  const auto joined = join_streams(a, 6, b, 5);
  EXPECT_GT(joined.said, least_with_sines);
  const auto film = decode_aac(*a.parameters, joined.frames);
  for (const auto sample : film[1]) ASSERT_EQ(sample, 0);
}

// The noise that a decoder makes up is other noise in the film than in the clip. The join is still
// right.
TEST(SoundJoin, JoinsFramesWithNoiseOfTheDecoder) {
  std::uint32_t state = 1;
  const auto noise = [&state](std::size_t, int) {
    state = state * 1'664'525 + 1'013'904'223;
    return 0.2 * (static_cast<double>(state) / 2'147'483'648.0 - 1);
  };
  const auto a = encode_aac(noise, 2, 12, 48'000, 48'000, true);
  const auto made = make_join_frame(
      a,
      {.previous = a.frames[5], .last = a.frames[6], .before = a.frames[8], .next = a.frames[9]});
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_GT(made->decibels, 30);
  // The noise is there: the same frame sounds different when it comes again.
  const std::vector twice = {a.frames[8], a.frames[9], a.frames[8], a.frames[9]};
  const auto sound = decode_aac(*a.parameters, twice);
  EXPECT_LT(compare_sound(sound, frame_size, sound, 3 * frame_size, frame_size), least_quality);
}

TEST(SoundJoin, RefusesWhatIsNotPlainAac) {
  const auto stereo = encode_aac(test::sine(440), 2, 8);
  const auto mono = encode_aac(test::sine(440), 1, 8);
  const std::vector<std::uint8_t> other = {0xE0};  // the end, and no sound
  const auto refuse = [&stereo](const AacFrame& previous, const AacFrame& last,
                                const AacFrame& before, const AacFrame& next) {
    const auto made = make_join_frame(
        stereo, {.previous = previous, .last = last, .before = before, .next = next});
    return made ? std::string() : made.error().message;
  };
  const auto& s = stereo.frames;
  const auto& m = mono.frames;
  EXPECT_EQ(refuse(s[3], s[4], s[5], s[6]), "");
  EXPECT_THAT(refuse(s[3], s[4], m[5], m[6]), HasSubstr("channels differ"));
  EXPECT_THAT(refuse(m[3], s[4], s[5], s[6]), HasSubstr("channels differ"));
  EXPECT_THAT(refuse(s[3], other, s[5], s[6]), HasSubstr("not plain AAC-LC"));
  EXPECT_THAT(refuse(s[3], s[4], other, s[6]), HasSubstr("channels differ"));
  // A frame that ends too early.
  EXPECT_THAT(refuse(s[3], s[4], s[5], {s[6].begin(), s[6].begin() + 9}), HasSubstr("decode"));
  const auto made = make_join_frame(stereo, {.last = s[4], .next = s[6]});
  EXPECT_TRUE(made);
}

TEST(SoundJoin, TakesDamagedFrames) {
  const auto a = encode_aac(test::clicks(2'000), 2, 12);
  std::mt19937 random(1);
  int made = 0;
  int refused = 0;
  av_log_set_level(AV_LOG_QUIET);
  for (int round = 0; round < 100; ++round) {
    std::vector frames(a.frames.begin() + 4, a.frames.begin() + 8);
    for (int bit = 0; bit < 3; ++bit) {
      auto& frame = frames[random() % frames.size()];
      frame[random() % frame.size()] ^= static_cast<std::uint8_t>(1U << random() % 8);
    }
    const auto done = make_join_frame(
        a, {.previous = frames[0], .last = frames[1], .before = frames[2], .next = frames[3]});
    if (done) {
      EXPECT_GE(done->decibels, least_quality);
      EXPECT_LE(done->bytes.size() * 8, 2 * 6144U);
    }
    ++(done ? made : refused);
  }
  av_log_set_level(AV_LOG_INFO);
  std::cout << "damaged frames: " << made << " joins, " << refused << " refused\n";
  EXPECT_GT(made, 0);
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace veo::media
