// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The layouts of films: their boxes, and what FFmpeg reads from them.
#include "film_muxer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <sstream>

#include "command.h"
#include "file_stream.h"
#include "film_joiner.h"
#include "mp4_boxes.h"
#include "probe.h"

namespace veo::media {
namespace {

using test::list_mp4_boxes;
using test::list_outermost_boxes;
using test::output_of;
using test::read_mp4_header;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

/// A FilmFile in memory, which can fail.
class MemoryFile : public FilmFile {
 public:
  Status write(std::uint64_t offset, std::span<const std::uint8_t> piece) override {
    ++writes;
    if (offset + piece.size() > room) {
      return fail({.code = ErrorCode::cache, .message = "The disk is full."});
    }
    bytes.resize(std::max<std::size_t>(bytes.size(), offset + piece.size()));
    std::ranges::copy(piece, bytes.begin() + static_cast<std::ptrdiff_t>(offset));
    return {};
  }
  Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override {
    if (!is_readable) return fail({.code = ErrorCode::cache, .message = "It cannot be read."});
    if (offset >= bytes.size()) return std::size_t{0};
    const auto count = std::min<std::size_t>({into.size(), 5000, bytes.size() - offset});
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), count, into.begin());
    return count;
  }

  std::string bytes;
  std::size_t room = ~std::size_t{0};
  bool is_readable = true;
  std::size_t writes = 0;
};

enum class FilmLayout { plain, fragments };

class FilmLayouts : public testing::Test {
 protected:
  /// Makes a clip of so many frames at 24 frames/s. 64 frames fill AAC frames exactly.
  static std::string make(const std::string& name, int frames = 64, const std::string& how = "") {
    const auto path = make_path(name);
    const auto seconds = std::to_string(frames / 24.0);
    if (!std::ifstream(path)) {
      output_of("ffmpeg -v error -f lavfi -i testsrc2=size=320x180:rate=24:duration=" + seconds +
                " -f lavfi -i sine=frequency=440:sample_rate=48000:duration=" + seconds +
                " -c:v libx264 -preset veryfast -pix_fmt yuv420p -c:a aac -ac 2 " + how + " " +
                path + " 2>&1");
    }
    return path;
  }
  static std::string make_other(const std::string& name) {
    return make(name, 64, "-x264-params cabac=0:ref=1");
  }

  /// Joins the clips, and writes the film to `film.mp4`.
  Status join(const std::vector<std::string>& clips, FilmLayout layout = FilmLayout::plain,
              bool has_one_configuration = false) {
    FilmJoiner film({.file = layout == FilmLayout::plain ? &file_ : nullptr,
                     .has_one_configuration = has_one_configuration});
    film.set_tags({.title = "A film", .task_ids = {"task-1", "task-2"}, .date = "2026-11-26"});
    Status outcome;
    const auto take = [this](const Bytes& piece) {
      file_.bytes.append(piece.begin(), piece.end());
    };
    for (const auto& path : clips) {
      FileStream stream(path);
      outcome = film.append(stream);
      while (outcome) {
        const auto piece = film.read();
        if (!piece) outcome = fail(piece.error());
        if (!piece || piece->empty()) break;
        if (layout == FilmLayout::plain) ADD_FAILURE() << "bytes beside the file";
        take(*piece);
      }
      if (!outcome) break;
    }
    const auto rest = film.finish();
    if (!rest) return fail(rest.error());
    take(*rest);
    std::ofstream(path(), std::ios::binary) << file_.bytes;
    return outcome;
  }

  [[nodiscard]] static std::string make_path(const std::string& name) {
    return directory_->file(name + ".mp4");
  }
  [[nodiscard]] static std::string path() { return directory_->file("film.mp4"); }
  /// Returns one line for each packet of the film, in the order of decoding: times and hash.
  static std::string packets() {
    return output_of("ffmpeg -v error -i " + path() + " -map 0:v -map 0:a -c copy -f framehash - " +
                     "| grep -v '^#' | sort");
  }
  static std::string count_frames() {
    return output_of("ffmpeg -v warning -i " + path() +
                     " -map 0:v -fps_mode passthrough -f framecrc - 2>&1 | grep -vc '^#'");
  }
  static std::string count_samples() {
    return output_of("ffmpeg -v error -i " + path() + " -map 0:a -ac 1 -f s16le - | wc -c | awk " +
                     "'{print $1 / 2}'");
  }

  static void SetUpTestSuite() { directory_ = std::make_unique<test::TemporaryDirectory>(); }
  static void TearDownTestSuite() { directory_.reset(); }

  MemoryFile file_;

 private:
  static inline std::unique_ptr<test::TemporaryDirectory> directory_;
};

TEST_F(FilmLayouts, APlainFilmHasItsHeaderFirstAndTrueDurations) {
  const auto clip = make("clip");
  ASSERT_TRUE(join({clip, clip, clip}, FilmLayout::plain, true));
  const auto boxes = list_mp4_boxes(file_.bytes);
  EXPECT_THAT(list_outermost_boxes(boxes), ElementsAre("ftyp", "moov", "free", "mdat"));
  EXPECT_THAT(test::paths_of(boxes), Not(Contains("moov.mvex")));
  const auto header = read_mp4_header(file_.bytes);
  EXPECT_EQ(header.seconds, 8);
  ASSERT_EQ(header.tracks.size(), 2U);
  const auto& video = header.tracks[0];
  EXPECT_EQ(video.entry, "avc1");
  EXPECT_EQ(video.shown_seconds, 8);
  EXPECT_EQ(video.clock, 12'288U);
  EXPECT_EQ(video.ticks, 192U * 512);
  EXPECT_EQ(video.edit_seconds, 8);
  EXPECT_EQ(video.edit_from, 1024U) << "two frames, by which decoding runs ahead";
  EXPECT_EQ(video.samples, 192U);
  const auto& audio = header.tracks[1];
  EXPECT_EQ(audio.entry, "mp4a");
  EXPECT_EQ(audio.shown_seconds, 8);
  EXPECT_EQ(audio.clock, 48'000U);
  EXPECT_EQ(audio.ticks, 385'024U) << "with the frame before the first one that is heard";
  EXPECT_EQ(audio.edit_from, 1024U);
  EXPECT_DOUBLE_EQ(audio.edit_seconds, 8 + 1 / 48'000.0) << "one tick more, for qtdemux";
  EXPECT_EQ(count_frames(), "192\n");
  EXPECT_EQ(count_samples(), "384000\n");
  EXPECT_EQ(output_of("ffprobe -v error -show_entries stream=duration,start_time,codec_tag_string:"
                      "format=duration -of csv=p=0 " +
                      path() + " | sed 's/000[0-9]*/000/g'"),
            "avc1,0.000,8.000\nmp4a,0.000,8.000\n8.000\n")
      << "ffprobe of FFmpeg 7 counts the tick of the sound's edit for the file, too";
}

TEST_F(FilmLayouts, APlainFilmHasHalfASecondInAChunk) {
  const auto clip = make("clip");
  ASSERT_TRUE(join({clip, clip, clip}));
  for (const auto& track : read_mp4_header(file_.bytes).tracks) {
    // 64 frames are six chunks, the last one with 4 frames.
    EXPECT_GE(track.chunks, 16U) << track.entry;
    EXPECT_LE(track.chunks, 18U) << track.entry;
  }
}

TEST_F(FilmLayouts, BothLayoutsHaveTheSamePacketsAndTags) {
  const std::vector<std::string> clips{make("clip"), make_other("other"), make("odd", 47)};
  ASSERT_TRUE(join(clips, FilmLayout::plain));
  const auto plain = packets();
  const auto tags = [] {
    return output_of("ffprobe -v error -show_entries format_tags -of default=nw=1 " + path() +
                     " | grep -v brand | sort");
  };
  const auto of_plain = tags();
  file_.bytes.clear();
  ASSERT_TRUE(join(clips, FilmLayout::fragments));
  EXPECT_THAT(list_outermost_boxes(list_mp4_boxes(file_.bytes)), Contains("moof"));
  EXPECT_EQ(std::ranges::count(plain, '\n'), std::ranges::count(packets(), '\n') + 1);
  // A plain film has the frame of sound before the first one that is heard. The duration of the
  // last packets may differ, so compare all else.
  const auto without_durations = [](const std::string& lines) {
    std::istringstream in(lines);
    std::string out;
    for (std::string line; std::getline(in, line);) {
      if (line.starts_with("1,") && line.find(" -1024,") != std::string::npos) continue;
      std::istringstream fields(line);
      std::string field;
      for (int i = 0; std::getline(fields, field, ','); ++i) out += i == 3 ? "" : field + ",";
      out += '\n';
    }
    return out;
  };
  EXPECT_EQ(without_durations(plain), without_durations(packets()));
  EXPECT_EQ(of_plain, tags());
  EXPECT_THAT(of_plain, HasSubstr("TAG:title=A film\n"));
  EXPECT_THAT(of_plain, HasSubstr("TAG:date=2026-11-26\n"));
  EXPECT_THAT(of_plain, HasSubstr("veo-task-id=task-1"));
}

// 47 frames last 91.8 AAC frames: the sound ends before the pictures, or after them.
TEST_F(FilmLayouts, APlainFilmEndsWithItsLastFrame) {
  for (const int frames : {47, 49, 50, 61}) {
    SCOPED_TRACE(frames);
    file_.bytes.clear();
    const auto clip = make("clip-" + std::to_string(frames), frames);
    ASSERT_TRUE(join({clip, clip}));
    const auto header = read_mp4_header(file_.bytes);
    EXPECT_EQ(header.seconds, frames / 12.0);
    EXPECT_EQ(header.tracks[0].shown_seconds, frames / 12.0);
    EXPECT_LE(header.tracks[1].shown_seconds, frames / 12.0);
    EXPECT_NEAR(header.tracks[1].shown_seconds, frames / 12.0, 512.0 / 48'000);
  }
}

TEST_F(FilmLayouts, APlainFilmOfAnotherRateHasAnExactDuration) {
  const auto clip = make_path("ntsc");
  output_of(
      "ffmpeg -v error -f lavfi -i testsrc2=size=320x180:rate=30000/1001:duration=1.4 -f "
      "lavfi -i sine=sample_rate=44100:duration=1.4 -c:v libx264 -preset veryfast -pix_fmt "
      "yuv420p -c:a aac -ac 2 " +
      clip);
  ASSERT_TRUE(join({clip, clip}));
  const auto header = read_mp4_header(file_.bytes);
  EXPECT_DOUBLE_EQ(header.seconds, 84 * 1001.0 / 30'000);
  EXPECT_EQ(count_frames(), "84\n");
}

// The film of a decoder that overlaps its first frame with the frame before: the frame before is in
// the file, and the edit list hides it.
TEST_F(FilmLayouts, AnEditListHidesSoundBeforeTheFirstFrame) {
  FileStream stream(make("clip"));
  const auto clip = ClipDemuxer::open(stream);
  ASSERT_TRUE(clip);
  FilmMuxer muxer({.file = &file_});
  ASSERT_TRUE(muxer.begin(**clip, (*clip)->format(), {}));
  std::int64_t pictures = 0;
  for (;;) {
    auto next = (*clip)->next();
    ASSERT_TRUE(next);
    if (!*next) break;
    auto packet = std::move(*next);
    if (packet->stream_index == (*clip)->video().index) {
      packet->pts = (*clip)->frame_of(*packet) * muxer.frame_ticks();
      packet->dts = (pictures++ - 2) * muxer.frame_ticks();
      ASSERT_TRUE(muxer.write(muxer.video(), std::move(packet)));
      if (pictures % 12 == 0) {
        ASSERT_TRUE(muxer.flush());
      }
      continue;
    }
    packet->pts = packet->dts = (*clip)->sample_of(*packet);
    packet->duration = 1024;
    if (packet->pts < 128'000) {
      ASSERT_TRUE(muxer.write(muxer.audio(), std::move(packet)));
    }
  }
  ASSERT_TRUE(muxer.finish(64));
  std::ofstream(path(), std::ios::binary) << file_.bytes;
  const auto header = read_mp4_header(file_.bytes);
  EXPECT_DOUBLE_EQ(header.seconds, 64 / 24.0);
  const auto& audio = header.tracks[1];
  EXPECT_EQ(audio.edit_from, 1024U);
  EXPECT_DOUBLE_EQ(audio.shown_seconds, 64 / 24.0);
  // One tick more than the sound: with less, qtdemux leaves out the last AAC frame.
  EXPECT_DOUBLE_EQ(audio.edit_seconds, 128'001 / 48'000.0);
  EXPECT_EQ(audio.samples, 126U);
  EXPECT_EQ(audio.ticks, 129'024U);
  EXPECT_EQ(count_samples(), "128000\n");
  const auto decode = [](const std::string& from) {
    return output_of("ffmpeg -v error -i " + from + " -map 0:a -f s16le - | md5sum");
  };
  EXPECT_EQ(decode(path()), decode(make("clip"))) << "the sound of the clip, from its first sample";
}

TEST_F(FilmLayouts, TheSampleEntryIsAvc1OnlyIfAllClipsAreKnownToShareTheirParameterSets) {
  const auto clip = make("clip");
  const auto other = make_other("other");
  const auto entry = [this] {
    const auto entries = contents_of(list_mp4_boxes(file_.bytes), "moov.trak.mdia.minf.stbl.stsd");
    file_.bytes.clear();
    return entries.at(0).substr(12, 4);
  };
  for (const auto layout : {FilmLayout::plain, FilmLayout::fragments}) {
    SCOPED_TRACE(layout == FilmLayout::plain ? "plain" : "fragments");
    ASSERT_TRUE(join({clip, clip}, layout, true));
    EXPECT_EQ(count_frames(), "128\n");
    EXPECT_EQ(entry(), "avc1");
    ASSERT_TRUE(join({clip, clip}, layout, false));
    EXPECT_EQ(entry(), "avc3");
    ASSERT_TRUE(join({clip, other, clip}, layout, false));
    EXPECT_EQ(count_frames(), "192\n");
    EXPECT_EQ(entry(), "avc3");
  }
}

TEST_F(FilmLayouts, AFilmOfOneConfigurationRefusesOtherParameterSetsAndStaysWhole) {
  const auto clip = make("clip");
  for (const auto layout : {FilmLayout::plain, FilmLayout::fragments}) {
    file_.bytes.clear();
    const auto joined = join({clip, make_other("other")}, layout, true);
    ASSERT_FALSE(joined);
    EXPECT_EQ(joined.error().code, ErrorCode::bad_media);
    EXPECT_THAT(joined.error().message, HasSubstr("parameter sets"));
    EXPECT_EQ(count_frames(), "64\n");
  }
}

TEST_F(FilmLayouts, KnowsTheParameterSetsOfAvc1Alone) {
  const auto read = [](const std::string& path) {
    FileStream stream(path);
    return probe(stream).value();
  };
  const auto clip = read(make("clip"));
  const auto again = read(make("again", 47));
  const auto other = read(make_other("other"));
  ASSERT_EQ(clip.parameter_sets.size(), 2U);
  EXPECT_EQ(clip.parameter_sets[0].at(0) & 0x1F, 7) << "the SPS is first";
  ASSERT_TRUE(join({make("clip")}));
  const auto inband = read(path());
  EXPECT_TRUE(inband.parameter_sets.empty());
  using Clips = std::vector<ClipFormat>;
  EXPECT_TRUE(have_same_parameter_sets(Clips{clip, again, clip}));
  EXPECT_FALSE(have_same_parameter_sets(Clips{clip, other}));
  EXPECT_FALSE(have_same_parameter_sets(Clips{clip, inband}));
  EXPECT_FALSE(have_same_parameter_sets(Clips{inband, inband}));
  EXPECT_FALSE(have_same_parameter_sets(Clips{}));
}

TEST_F(FilmLayouts, PassesTheErrorOfTheFileOn) {
  const auto clip = make("clip");
  ASSERT_TRUE(join({clip, clip}));
  const auto size = file_.bytes.size();
  for (const std::size_t room : {std::size_t{0}, std::size_t{30}, size / 2, size - 1}) {
    SCOPED_TRACE(room);
    file_.bytes.clear();
    file_.room = room;
    const auto joined = join({clip, clip});
    ASSERT_FALSE(joined);
    EXPECT_EQ(joined.error().code, ErrorCode::cache);
    EXPECT_EQ(joined.error().message, "The disk is full.");
  }
  file_.bytes.clear();
  file_.room = size;
  file_.is_readable = false;
  const auto joined = join({clip, clip});
  ASSERT_FALSE(joined);
  EXPECT_EQ(joined.error().message, "It cannot be read.");
}

TEST_F(FilmLayouts, WritesAFileInLargePieces) {
  const auto clip = make("clip");
  ASSERT_TRUE(join({clip, clip, clip}));
  EXPECT_LT(file_.writes, 5 * (file_.bytes.size() >> 17U) + 30);
}

}  // namespace
}  // namespace veo::media
