// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Puts streams of AAC into a film, and compares what a decoder makes of the film with what the
// decoder makes of each stream alone.
#include "film_sound.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "aac_stream.h"

namespace veo::media {
namespace {

using test::AacFrame;
using test::AacStream;
using test::compare_sound;
using test::decode_aac;
using test::encode_aac;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr double no_difference = 200;

/// FilmSound asks the stream only whether the reader was interrupted.
class NoBytes : public ByteStream {
 public:
  Result<std::size_t> read(std::uint64_t, std::span<std::uint8_t>) override { return 0; }
  [[nodiscard]] bool is_interrupted() const override { return interrupted; }
  bool interrupted = false;
};

class FilmSoundTest : public testing::Test {
 protected:
  /// Begins a film with the sound of `first`.
  void begin(const AacStream& first, bool keeps_priming = false) {
    parameters_ = first.parameters;
    sound_ = std::make_unique<FilmSound>(
        FilmSound::Settings{.parameters = first.parameters, .keeps_priming = keeps_priming},
        [this](PacketPtr packet) -> Status {
          times_.push_back(packet->pts);
          frames_.emplace_back(packet->data, packet->data + packet->size);
          return {};
        });
  }

  /// Appends a clip of `slots` slots and `rest` samples, which has the stream's frames from `first`
  /// to `last`. The frame `zero` begins with the clip; the frames before are priming.
  void append(const AacStream& stream, std::size_t first, std::size_t zero, std::size_t last,
              std::int64_t slots, std::int64_t rest = 0) {
    const NoBytes bytes;
    const auto begin = end_;
    end_ += slots * aac_frame + rest;
    sound_->begin_clip(bytes, begin);
    for (auto i = first; i <= last; ++i) {
      const auto place = static_cast<std::int64_t>(i) - static_cast<std::int64_t>(zero);
      sound_->add(make_packet(stream.frames[i]), place * aac_frame);
      ASSERT_TRUE(sound_->write_until(end_));
    }
    ASSERT_TRUE(sound_->end_clip(end_));
  }

  /// Ends the film, and decodes it.
  test::Sound finish() {
    EXPECT_TRUE(sound_->finish());
    return decode_aac(*parameters_, frames_);
  }

  static std::size_t at(std::size_t slot) { return slot * aac_frame; }

  std::shared_ptr<const AVCodecParameters> parameters_;
  std::unique_ptr<FilmSound> sound_;
  std::vector<std::int64_t> times_;
  std::vector<AacFrame> frames_;
  std::int64_t end_ = 0;
};

TEST_F(FilmSoundTest, HoldsTheNewestFrameBackUntilTheNextOneIsKnown) {
  const auto a = encode_aac(test::sine(440), 2, 12);
  begin(a);
  append(a, 0, 1, 10, 10);
  EXPECT_EQ(times_.size(), 9U);
  append(a, 0, 1, 10, 10);
  EXPECT_EQ(times_.size(), 19U);
  finish();
  ASSERT_EQ(times_.size(), 20U);
  for (std::size_t i = 0; i < times_.size(); ++i) {
    EXPECT_EQ(times_[i], static_cast<std::int64_t>(at(i)));
  }
  // Only the frame at the join is new, and the film's end is the clip's own frame.
  for (std::size_t i = 0; i < 20; ++i) {
    EXPECT_EQ(frames_[i] == a.frames[1 + i % 10], i != 9) << "slot " << i;
  }
}

TEST_F(FilmSoundTest, JoinsClipsSoThatEachSampleIsTheClipsOwn) {
  const auto a = encode_aac(test::sine(440), 2, 12);
  const auto b = encode_aac(test::sine(700), 2, 12);
  begin(a);
  append(a, 0, 1, 11, 10);
  append(b, 0, 2, 11, 9);
  append(a, 1, 2, 11, 10);
  const auto film = finish();
  const auto of_a = decode_aac(*a.parameters, a.frames);
  const auto of_b = decode_aac(*b.parameters, b.frames);
  ASSERT_EQ(film[0].size(), at(29));
  // Without priming, the first slot is half of what it was.
  EXPECT_EQ(compare_sound(of_a, at(2), film, at(1), at(8)), no_difference);
  EXPECT_GT(compare_sound(of_a, at(10), film, at(9), at(1)), 40);
  EXPECT_GT(compare_sound(of_b, at(2), film, at(10), at(1)), 40);
  EXPECT_EQ(compare_sound(of_b, at(3), film, at(11), at(7)), no_difference);
  EXPECT_GT(compare_sound(of_b, at(10), film, at(18), at(1)), 40);
  EXPECT_GT(compare_sound(of_a, at(2), film, at(19), at(1)), 40);
  EXPECT_EQ(compare_sound(of_a, at(3), film, at(20), at(9)), no_difference);
  EXPECT_THAT(sound_->take_notices(), IsEmpty());
}

// The clip ends in the middle of a slot, so the slot could belong to either clip.
TEST_F(FilmSoundTest, PutsNoPrimingBetweenTwoClips) {
  const auto a = encode_aac(test::sine(440), 2, 13);
  const auto b = encode_aac(test::sine(700), 2, 12);
  begin(a);
  append(a, 0, 1, 11, 10, aac_frame / 2);
  append(b, 0, 1, 10, 10);
  finish();
  ASSERT_EQ(frames_.size(), 20U);
  for (std::size_t i = 0; i < 9; ++i) EXPECT_EQ(frames_[i], a.frames[1 + i]) << "slot " << i;
  for (std::size_t i = 10; i < 20; ++i) EXPECT_EQ(frames_[i], b.frames[i - 9]) << "slot " << i;
}

TEST_F(FilmSoundTest, KeepsThePrimingFrameInFrontOfTheFilmIfItIsAsked) {
  const auto a = encode_aac(test::sine(440), 2, 12);
  begin(a, true);
  append(a, 0, 2, 11, 10);
  const auto film = finish();
  ASSERT_EQ(times_.size(), 11U);
  EXPECT_EQ(times_[0], -aac_frame);
  EXPECT_EQ(times_[1], 0);
  EXPECT_EQ(frames_[0], a.frames[1]);
  const auto of_a = decode_aac(*a.parameters, a.frames);
  EXPECT_EQ(compare_sound(of_a, at(2), film, at(1), at(10)), no_difference);
}

TEST_F(FilmSoundTest, BeginsAtZeroIfTheFirstClipHasNoPriming) {
  const auto a = encode_aac(test::sine(440), 2, 12);
  begin(a, true);
  append(a, 1, 1, 10, 10);
  finish();
  EXPECT_EQ(times_.size(), 10U);
  EXPECT_EQ(times_[0], 0);
}

TEST_F(FilmSoundTest, GoesToSilenceAndBackExactly) {
  const auto a = encode_aac(test::sine(440), 2, 16);
  begin(a);
  append(a, 0, 1, 6, 10);   // six slots of sound, and four of silence
  append(a, 8, 4, 13, 10);  // four slots of silence, and six of sound without priming
  const auto film = finish();
  const auto of_a = decode_aac(*a.parameters, a.frames);
  // The clip's own decoder has not seen the frames before frame 8.
  const auto of_rest = decode_aac(*a.parameters, std::span(a.frames).subspan(8, 6));
  ASSERT_EQ(film[0].size(), at(20));
  EXPECT_EQ(compare_sound(of_a, at(2), film, at(1), at(4)), no_difference);
  EXPECT_GT(compare_sound(of_a, at(6), film, at(5), at(1)), 40);
  EXPECT_GT(compare_sound(of_rest, 0, film, at(14), at(1)), 30);
  EXPECT_EQ(compare_sound(of_rest, at(1), film, at(15), at(5)), no_difference);
  // The frame at a join has an error in the slot of silence beside it, and in no other slot.
  for (const auto& channel : film) {
    for (auto i = at(6); i < at(7); ++i) ASSERT_LT(std::abs(channel[i]), 0.01F) << i;
    for (auto i = at(7); i < at(13); ++i) ASSERT_EQ(channel[i], 0) << i;
    for (auto i = at(13); i < at(14); ++i) ASSERT_LT(std::abs(channel[i]), 0.01F) << i;
  }
  EXPECT_THAT(sound_->take_notices(), IsEmpty());
}

TEST_F(FilmSoundTest, JoinsClipsOfOneFrame) {
  const auto a = encode_aac(test::sine(440), 2, 12);
  const auto b = encode_aac(test::sine(700), 2, 12);
  begin(a);
  append(a, 4, 5, 5, 1);
  append(b, 6, 7, 7, 1);
  append(a, 8, 9, 9, 1);
  const auto film = finish();
  ASSERT_EQ(film[0].size(), at(3));
  EXPECT_GT(compare_sound(decode_aac(*b.parameters, b.frames), at(7), film, at(1), at(1)), 40);
  EXPECT_GT(compare_sound(decode_aac(*a.parameters, a.frames), at(9), film, at(2), at(1)), 40);
}

TEST_F(FilmSoundTest, SaysWhereASoundIsNotExact) {
  const auto stereo = encode_aac(test::sine(440), 2, 12);
  const auto mono = encode_aac(test::sine(440), 1, 12);
  begin(stereo);
  append(stereo, 0, 1, 10, 10);
  append(mono, 0, 1, 10, 10);
  finish();
  // Both clips keep their frames.
  EXPECT_EQ(frames_[9], stereo.frames[10]);
  EXPECT_EQ(frames_[10], mono.frames[1]);
  EXPECT_THAT(
      sound_->take_notices(),
      ElementsAre("The film's sound may click at 0.213 s, where two clips meet, because their "
                  "channels differ. The rest of the film is exact."));
  EXPECT_THAT(sound_->take_notices(), IsEmpty());
}

// Each join needs milliseconds, and a damaged clip can have a gap after each frame.
TEST_F(FilmSoundTest, MakesNoMoreThan64JoinsForAClip) {
  const auto a = encode_aac(test::sine(440), 2, 160);
  begin(a);
  const NoBytes bytes;
  sound_->begin_clip(bytes, 0);
  for (std::size_t i = 0; i < a.frames.size(); ++i) {
    sound_->add(make_packet(a.frames[i]), static_cast<std::int64_t>(at(2 * i)));
  }
  ASSERT_TRUE(sound_->end_clip(static_cast<std::int64_t>(at(320))));
  finish();
  ASSERT_EQ(frames_.size(), 320U);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < a.frames.size(); ++i) kept += frames_[2 * i] == a.frames[i] ? 1U : 0U;
  EXPECT_EQ(kept, a.frames.size() - 32);
  EXPECT_THAT(sound_->take_notices(), ElementsAre(HasSubstr("too many gaps")));
}

TEST_F(FilmSoundTest, StopsWhenTheReaderIsInterrupted) {
  const auto a = encode_aac(test::sine(440), 2, 12);
  begin(a);
  NoBytes bytes;
  sound_->begin_clip(bytes, 0);
  bytes.interrupted = true;
  const auto done = sound_->write_silence(static_cast<std::int64_t>(at(1'000'000)));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::network);
}

}  // namespace
}  // namespace veo::media
