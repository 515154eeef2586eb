// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Compares films with their clips as FFmpeg's command decodes them: frame by frame, sample by
// sample.
#include "film_joiner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "aac_stream.h"
#include "clips.h"
#include "command.h"
#include "file_stream.h"
#include "probe.h"

namespace veo::media {
namespace {

using test::output_of;
using test::TemporaryDirectory;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// A file, as FFmpeg decodes it.
struct Decoded {
  std::vector<std::int64_t> times;  ///< the times of the pictures, in ticks of 1/12288 s
  std::vector<std::string> pictures;
  std::int64_t first_sample = 0;
  std::int64_t samples = 0;
  bool sound_is_whole = true;  ///< the timestamps of the sound have no gap and no overlap
};

Decoded decode(const std::string& file, const std::string& how = "-i ") {
  Decoded seen;
  std::istringstream video(output_of(
      "ffmpeg -v error " + how + file +
      " -map 0:v:0 -fps_mode passthrough -enc_time_base 1/12288 -f framemd5 - | grep -v '^#'"));
  std::istringstream audio(
      output_of("ffprobe -v error -select_streams a:0 -show_entries frame=pts,nb_samples -of "
                "csv=p=0 " +
                file));
  const auto field = [](std::istringstream& fields) {
    std::string text;
    std::getline(fields, text, ',');
    return text;
  };
  for (std::string line; std::getline(video, line);) {
    std::istringstream fields(line);
    field(fields);
    field(fields);
    seen.times.push_back(std::stoll(field(fields)));
    field(fields);
    field(fields);
    seen.pictures.push_back(field(fields));
  }
  bool is_first = true;
  std::int64_t next = 0;
  for (std::string line; std::getline(audio, line);) {
    std::istringstream fields(line);
    const auto pts = std::stoll(field(fields));
    const auto count = std::stoll(field(fields));
    if (is_first) seen.first_sample = next = pts;
    is_first = false;
    seen.sound_is_whole = seen.sound_is_whole && pts == next;
    next = pts + count;
    seen.samples += count;
  }
  return seen;
}

/// Returns the file's sound as floats, in stereo.
test::Sound decode_floats(const std::string& file) {
  const auto bytes = output_of("ffmpeg -v error -i " + file + " -map 0:a:0 -f f32le - 2>/dev/null");
  std::vector<float> samples(bytes.size() / sizeof(float));
  std::memcpy(samples.data(), bytes.data(), samples.size() * sizeof(float));
  test::Sound sound(2);
  for (std::size_t i = 0; i < samples.size(); ++i) sound[i % 2].push_back(samples[i]);
  return sound;
}

/// Returns the file's sound, decoded to mono as 16-bit samples at 48 kHz.
std::vector<std::int16_t> decode_sound(const std::string& file) {
  const auto bytes = output_of("ffmpeg -v error -i " + file +
                               " -map 0:a:0 -ac 1 -ar 48000 -f s16le - 2>/dev/null");
  std::vector<std::int16_t> sound(bytes.size() / 2);
  std::memcpy(sound.data(), bytes.data(), sound.size() * 2);
  return sound;
}

class Join : public testing::Test {
 protected:
  /// Makes a clip with x264 and FFmpeg's AAC. `video` and `audio` are arguments for the encoders.
  std::string make(const std::string& name, const std::string& video = "",
                   const std::string& audio = "-c:a aac", double seconds = 2,
                   double sound_seconds = 0, const std::string& size = "320x180",
                   const std::string& rate = "24", const std::string& rest = "") {
    const auto path = directory_.file(name + ".mp4");
    const auto sound = std::to_string(sound_seconds > 0 ? sound_seconds : seconds);
    output_of("ffmpeg -v error -y -f lavfi -i testsrc2=size=" + size + ":rate=" + rate +
              ":duration=" + std::to_string(seconds) + " -f lavfi -i sine=frequency=" +
              std::to_string(300 + 110 * made_++) + ":sample_rate=48000:duration=" + sound +
              " -c:v libx264 -preset veryfast -pix_fmt yuv420p " + video + " -ac 2 " + audio + " " +
              rest + " " + path + " 2>&1");
    return path;
  }

  Status join(const std::vector<std::string>& clips, const std::string& to) {
    FilmJoiner film;
    std::ofstream file(to, std::ios::binary);
    largest_ = 0;
    Status outcome;
    for (const auto& path : clips) {
      FileStream stream(path);
      outcome = film.append(stream);
      while (outcome) {
        const auto piece = film.read();
        if (!piece) outcome = fail(piece.error());
        if (!piece || piece->empty()) break;
        largest_ = std::max(largest_, piece->size());
        write(file, *piece);
      }
      if (!outcome) break;
    }
    const auto last = film.finish();
    if (!last) return fail(last.error());
    write(file, *last);
    notices_ = film.take_notices();
    return outcome;
  }

  /// Expects that the film's sound is that of the clips, which are whole AAC frames: the same
  /// floats outside of 1,024 samples on each side of a join, and at a join an error `least` dB
  /// below the sound. The first `skipped` samples of the film do not matter.
  static void expect_own_sound(const std::string& path, const std::vector<std::string>& clips,
                               std::size_t skipped, double least) {
    constexpr std::size_t frame = 1024;
    constexpr double no_difference = 200;
    const auto film = decode_floats(path);
    test::Sound wanted(2);
    std::vector<std::size_t> joins;
    for (const auto& clip : clips) {
      const auto sound = decode_floats(clip);
      ASSERT_EQ(sound[0].size() % frame, 0U) << clip;
      if (!wanted[0].empty()) joins.push_back(wanted[0].size());
      for (std::size_t channel = 0; channel < 2; ++channel) {
        wanted[channel].insert(wanted[channel].end(), sound[channel].begin(), sound[channel].end());
      }
    }
    ASSERT_EQ(film[0].size(), wanted[0].size());
    auto at = skipped;
    for (const auto join : joins) {
      EXPECT_EQ(test::compare_sound(wanted, at, film, at, join - frame - at), no_difference)
          << "from sample " << at;
      const auto error = test::compare_sound(wanted, join - frame, film, join - frame, 2 * frame);
      EXPECT_GT(error, least) << "at the join at sample " << join;
      std::cout << "the join at sample " << join << ": " << error << " dB\n";
      at = join + frame;
    }
    EXPECT_EQ(test::compare_sound(wanted, at, film, at, wanted[0].size() - at), no_difference)
        << "from sample " << at;
  }

  static void write(std::ofstream& file, const Bytes& bytes) {
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }

  /// Expects that the film of these clips has each of their frames, one frame apart, and sound
  /// without a gap.
  void expect_seamless(const std::vector<std::string>& clips) {
    const auto path = directory_.file("film.mp4");
    const auto joined = join(clips, path);
    ASSERT_TRUE(joined) << joined.error().message;
    const auto film = decode(path);
    std::vector<std::string> pictures;
    for (const auto& clip : clips) {
      const auto one = decode(clip);
      pictures.insert(pictures.end(), one.pictures.begin(), one.pictures.end());
    }
    EXPECT_EQ(film.pictures, pictures);
    for (std::size_t i = 0; i < film.times.size(); ++i) {
      EXPECT_EQ(film.times[i], static_cast<std::int64_t>(i) * 512) << "frame " << i;
    }
    EXPECT_EQ(film.first_sample, 0);
    EXPECT_TRUE(film.sound_is_whole);
    EXPECT_NEAR(static_cast<double>(film.samples), static_cast<double>(pictures.size()) * 2000,
                512);
  }

  TemporaryDirectory directory_;
  std::vector<std::string> notices_;  // of the film
  std::size_t largest_ = 0;           // size of the largest piece of a film

 private:
  int made_ = 0;
};

// A real clip has 192 frames and 384,000 samples.
TEST_F(Join, RealClipsAreAsIfTheyWereOne) {
  const auto a = test::clip_path("veo31-dialogue.mp4");
  const auto b = test::clip_path("veo30-dialogue.mp4");
  if (!a || !b) GTEST_SKIP() << "veo31-dialogue.mp4 and veo30-dialogue.mp4 are missing";
  expect_seamless({*a, *b, *b});
  const auto path = directory_.file("film.mp4");
  const auto film = decode(path);
  EXPECT_EQ(film.pictures.size(), 576U);
  EXPECT_EQ(film.samples, 1'152'000);

  // In a fragmented film the first 1,024 samples have lost what the priming frame adds to them.
  expect_own_sound(path, {*a, *b, *b}, 1024, 45);

  // For comparison, join the clips with FFmpeg's concat demuxer, as a player of lists would.
  std::ofstream(directory_.file("list"))
      << "file " << *a << "\nfile " << *b << "\nfile " << *b << "\n";
  const auto peer = directory_.file("peer.mp4");
  output_of("ffmpeg -v error -f concat -safe 0 -i " + directory_.file("list") + " -c copy " + peer +
            " 2>&1");
  const auto theirs = decode(peer);
  std::cout << "three real clips: " << film.pictures.size() << " frames from " << film.times[0]
            << ", " << film.samples << " samples; ffmpeg -f concat: " << theirs.pictures.size()
            << " frames from " << theirs.times[0] << ", " << theirs.samples << " samples from "
            << theirs.first_sample << "\n";
}

TEST_F(Join, KeepsTheSoundOfTheClipsAtEachJoin) {
  constexpr double seconds = 64.0 / 24;  // a whole number of AAC frames
  const auto a = make("a", "", "-c:a aac -aac_pns 0", seconds);
  const auto b = make("b", "", "-c:a aac -aac_pns 0", seconds);
  const auto path = directory_.file("film.mp4");
  const std::vector<std::string> clips = {a, b, b, a};
  ASSERT_TRUE(join(clips, path));
  expect_own_sound(path, clips, 1024, 45);
  EXPECT_THAT(notices_, IsEmpty());
}

TEST_F(Join, ComesFromAPipeAndInSmallPieces) {
  const auto clip = make("clip", "", "-c:a aac", 4);
  const auto path = directory_.file("film.mp4");
  ASSERT_TRUE(join({clip, clip}, path));
  EXPECT_LT(largest_, std::filesystem::file_size(path) / 8);
  EXPECT_EQ(output_of("ffmpeg -v error -i - -map 0:v -f framemd5 - < " + path + " | grep -vc '^#'"),
            "192\n");
  EXPECT_EQ(output_of("ffmpeg -v warning -i - -f null - < " + path + " 2>&1"), "");
}

// A chain of continuations reads the film of the step before, and the sound lags one AAC frame more
// behind the pictures in each.
TEST_F(Join, KeepsItsFragmentsSmallInAChainOfFilms) {
  const auto clip = make("clip", "", "-c:a aac", 4);
  auto film = clip;
  for (int step = 0; step < 12; ++step) {
    const auto path = directory_.file("film-" + std::to_string(step) + ".mp4");
    ASSERT_TRUE(join({film}, path));
    EXPECT_LT(largest_, std::filesystem::file_size(path) / 3) << "step " << step;
    film = path;
  }
  EXPECT_EQ(decode(film).pictures, decode(clip).pictures);
}

TEST_F(Join, TakesOtherParameterSets) {
  const auto a = make("a");
  const auto b = make("b", "-x264-params cabac=0:8x8dct=0:ref=1:weightp=0");
  expect_seamless({a, b, b, a});
}

TEST_F(Join, TakesClipsThatAreDecodedFurtherAhead) {
  const auto none = make("none", "-bf 0");
  const auto some = make("some", "-bf 3 -x264-params b-pyramid=normal");
  const auto flat = make("flat", "-bf 2 -x264-params b-pyramid=none");
  expect_seamless({none, some, flat, none, some});
}

TEST_F(Join, TakesEachLayout) {
  const auto last = make("last");
  const auto first = make("first", "", "-c:a aac", 2, 0, "320x180", "24", "-movflags faststart");
  const auto fragmented = make("fragmented", "", "-c:a aac", 2, 0, "320x180", "24",
                               "-movflags frag_keyframe+delay_moov -frag_duration 300000");
  expect_seamless({last, first, fragmented, last});
}

TEST_F(Join, TakesItsOwnFilms) {
  const auto a = make("a");
  const auto b = make("b", "-x264-params cabac=0");
  const auto film = directory_.file("first.mp4");
  ASSERT_TRUE(join({a, b}, film));
  expect_seamless({film, b, film, a});
}

TEST_F(Join, FillsSoundThatEndsEarlyAndCutsLongerSound) {
  const auto brief = make("brief", "", "-c:a aac", 2, 1.2);
  const auto lasting = make("lasting", "", "-c:a aac", 2, 2.7);
  expect_seamless({brief, lasting, brief, lasting});
}

TEST_F(Join, TakesMonoAndNoSound) {
  const auto stereo = make("stereo");
  const auto mono = make("mono", "", "-c:a aac -ac 1");
  const auto silent = make("silent", "", "-an");
  // Where the number of channels changes, the sound is not exact, and the user is told.
  expect_seamless({stereo, mono, silent, stereo});
  EXPECT_THAT(notices_, ElementsAre(HasSubstr("may click at 2.005 s"), HasSubstr("at 3.989 s")));
  expect_seamless({mono, stereo, mono});
  EXPECT_EQ(notices_.size(), 2U);
  expect_seamless({silent, stereo, mono, silent});
  EXPECT_EQ(notices_.size(), 2U);
  expect_seamless({stereo, silent, stereo});
  EXPECT_THAT(notices_, IsEmpty());
}

TEST_F(Join, TakesOtherClocks) {
  const auto a = make("a");
  const auto coarse = make("coarse", "-video_track_timescale 1000");
  const auto fine = make("fine", "-video_track_timescale 90000");
  expect_seamless({a, coarse, fine});
}

// 47 frames last 91.8 AAC frames. The rest at each join must not add up.
// libavformat divides the frames by the duration, so a last frame that is a tick short gives the
// rate 2359296/98303 for Veo's 192 frames, and no other clip has that rate.
TEST_F(Join, TakesALastFrameThatIsShorterOrLongerThanTheOthers) {
  // Without B-frames the last frame in the file is the last one that is shown.
  const auto clip = make("clip", "-bf 0");
  for (const auto* const last : {"511", "300", "1", "0", "513", "900"}) {
    SCOPED_TRACE(last);
    const auto other = directory_.file(std::string("last-") + last + ".mp4");
    output_of("ffmpeg -v error -y -i " + clip + " -c copy -bsf:v \"setts=duration=if(eq(N\\," +
              "47)\\," + last + "\\,512)\" " + other + " 2>&1");
    FileStream stream(other);
    const auto format = probe(stream);
    ASSERT_TRUE(format) << format.error().message;
    EXPECT_EQ(format->video.rate.frames, 24);
    EXPECT_EQ(format->video.rate.seconds, 1);
    expect_seamless({clip, other, clip});
  }
}

TEST_F(Join, FindsTheRateThatMostFramesHave) {
  const struct {
    const char* rate;
    const char* clock;
    int frames;
    int seconds;
  } cases[] = {
      {"24", "1000", 24, 1},  // frames of 41 and 42 ms
      {"24000/1001", "24000", 24'000, 1001},
      {"24000/1001", "90000", 24'000, 1001},
      {"30000/1001", "1000", 30'000, 1001},
      {"25", "12800", 25, 1},
      {"10", "10240", 10, 1},
      {"7", "7168", 7, 1},
  };
  int made = 0;
  for (const auto& one : cases) {
    SCOPED_TRACE(std::string(one.rate) + " on " + one.clock);
    const auto clip = make("rate-" + std::to_string(made++), "", "-c:a aac", 4, 0, "320x180",
                           one.rate, std::string("-video_track_timescale ") + one.clock);
    FileStream stream(clip);
    const auto format = probe(stream);
    ASSERT_TRUE(format) << format.error().message;
    EXPECT_EQ(format->video.rate.frames, one.frames);
    EXPECT_EQ(format->video.rate.seconds, one.seconds);
  }
}

// Half of the frames last twice as long: no single duration describes the clip.
TEST_F(Join, KeepsTheAverageOfFramesOfManyDurations) {
  const auto clip = make("uneven", "-vf \"select='lt(n,24)+not(mod(n,2))'\" -fps_mode vfr");
  FileStream stream(clip);
  const auto format = probe(stream);
  ASSERT_TRUE(format) << format.error().message;
  const double rate = static_cast<double>(format->video.rate.frames) / format->video.rate.seconds;
  EXPECT_NEAR(rate, 19.2, 0.1);
}

TEST_F(Join, KeepsTwentyClipsInStep) {
  const auto odd = make("odd", "", "-c:a aac", 47.0 / 24);
  expect_seamless(std::vector<std::string>(20, odd));
}

// Each clip has a beep at half a second. The place of the beep in the film shows the place of the
// clip's sound.
TEST_F(Join, IsNeverMoreThanHalfAnAacFrameOutOfStep) {
  const int counts[] = {47, 30, 47, 41, 47, 29, 47, 47, 37, 47,
                        47, 31, 47, 47, 43, 47, 47, 47, 26, 47};
  std::vector<std::string> clips;
  for (const auto frames : counts) {
    const auto path = directory_.file(std::to_string(frames) + ".mp4");
    if (!std::filesystem::exists(path)) {
      const auto seconds = std::to_string(frames / 24.0);
      output_of(
          "ffmpeg -v error -f lavfi -i testsrc2=size=320x180:rate=24:duration=" + seconds +
          " -f lavfi -i \"aevalsrc='0.5*sin(6283*t)*between(t,0.5,0.6)':s=48000:d=" + seconds +
          "\" -c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac " + path + " 2>&1");
    }
    clips.push_back(path);
  }
  const auto path = directory_.file("film.mp4");
  ASSERT_TRUE(join(clips, path));
  const auto loud_from = [](const std::vector<std::int16_t>& sound, std::size_t from) {
    while (from < sound.size() && std::abs(sound[from]) < 4000) ++from;
    return from;
  };
  const auto film = decode_sound(path);
  std::size_t frame = 0;
  long worst = 0;
  for (std::size_t i = 0; i < clips.size(); ++i) {
    const auto begin = frame * 2000;
    const auto wanted = begin + loud_from(decode_sound(clips[i]), 0);
    const auto heard = loud_from(film, begin);
    const auto late = static_cast<long>(heard) - static_cast<long>(wanted);
    EXPECT_LE(std::abs(late), 512) << "clip " << i;
    worst = std::max(worst, std::abs(late));
    frame += static_cast<std::size_t>(counts[i]);
  }
  std::cout << "sound of 20 clips of odd lengths: at most " << worst << " samples out of step\n";
  EXPECT_GT(worst, 0) << "the clips must not fill AAC frames";
}

TEST_F(Join, RefusesAClipThatDoesNotFitAndKeepsTheFilm) {
  const auto clip = make("clip");
  const std::pair<std::string, std::string> others[] = {
      {make("size", "", "-c:a aac", 1, 0, "640x360"), "640x360"},
      {make("rate", "", "-c:a aac", 1, 0, "320x180", "25"), "25 frames/s"},
      {make("samples", "", "-c:a aac -ar 44100", 1), "44100 Hz"},
      {make("codec", "-c:v mpeg4", "-c:a aac", 1), "mpeg4"},
      {make("mp3", "", "-c:a libmp3lame", 1), "mp3"}};
  for (const auto& [other, what] : others) {
    const auto path = directory_.file("film.mp4");
    const auto joined = join({clip, other}, path);
    ASSERT_FALSE(joined) << what;
    EXPECT_EQ(joined.error().code, ErrorCode::bad_media);
    EXPECT_THAT(joined.error().message, HasSubstr(what));
    EXPECT_EQ(decode(path).pictures, decode(clip).pictures) << what;
  }
  EXPECT_THAT(join({clip, others[0].first}, directory_.file("film.mp4")).error().message,
              HasSubstr("320x180"));
}

TEST_F(Join, ReadsAClipInOrderFromFrontToBack) {
  const auto path = make("first", "", "-c:a aac", 2, 0, "320x180", "24", "-movflags faststart");
  FileStream stream(path);
  FilmJoiner film;
  ASSERT_TRUE(film.append(stream));
  EXPECT_LT(stream.furthest, std::filesystem::file_size(path) / 2) << "append() needed the end";
}

TEST_F(Join, PassesTheStreamsOwnErrorOnAndEndsTheFilmWell) {
  const auto path = make("first", "", "-c:a aac", 4, 0, "320x180", "24", "-movflags faststart");
  FileStream stream(path);
  stream.broken_at = std::filesystem::file_size(path) * 3 / 4;
  FilmJoiner film;
  std::ofstream file(directory_.file("film.mp4"), std::ios::binary);
  ASSERT_TRUE(film.append(stream));
  Result<Bytes> piece;
  while ((piece = film.read()) && !piece->empty()) write(file, *piece);
  ASSERT_FALSE(piece);
  EXPECT_EQ(piece.error().code, ErrorCode::network);
  const auto last = film.finish();
  ASSERT_TRUE(last);
  write(file, *last);
  file.close();
  const auto whole = decode(path).pictures;
  const auto part = decode(directory_.file("film.mp4")).pictures;
  ASSERT_GT(part.size(), 48U);
  ASSERT_LT(part.size(), whole.size());
  // The last few pictures may refer to pictures that are missing.
  EXPECT_TRUE(std::equal(part.begin(), part.end() - 4, whole.begin()));
}

TEST_F(Join, RefusesAFileThatIsNoClip) {
  std::ofstream(directory_.file("text")) << "<html>not found</html>, says the server at length";
  std::ofstream(directory_.file("empty"));
  output_of("ffmpeg -v error -f lavfi -i sine=duration=1 -c:a aac " + directory_.file("a.mp4"));
  for (const std::string name : {"text", "empty", "a.mp4"}) {
    FileStream stream(directory_.file(name));
    const auto format = probe(stream);
    ASSERT_FALSE(format) << name;
    EXPECT_EQ(format.error().code, ErrorCode::bad_media);
  }
}

TEST_F(Join, ProbesAClip) {
  FileStream stream(make("clip"));
  const auto format = probe(stream);
  ASSERT_TRUE(format);
  EXPECT_EQ(describe(*format), "320x180 h264 at 24 frames/s, aac at 48000 Hz");
  EXPECT_EQ(format->frames, 48U);
}

}  // namespace
}  // namespace veo::media
