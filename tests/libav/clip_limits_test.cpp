// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Clips with one damaged number each. For every number, reading and joining must end, and must not
// use or write more than the size of the file allows.
#include "clip_limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>

#include "clips.h"
#include "command.h"
#include "film_joiner.h"
#include "picture_reader.h"
#include "probe.h"
#include "thumbnail.h"

namespace veo::media {
namespace {

using test::output_of;
using test::TemporaryDirectory;
using testing::HasSubstr;

class MemoryStream : public ByteStream {
 public:
  explicit MemoryStream(Bytes bytes) : bytes_(std::move(bytes)) {}
  Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override {
    if (offset >= bytes_.size()) return std::size_t{0};
    const auto size = std::min<std::size_t>(into.size(), bytes_.size() - offset);
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), size, into.begin());
    return size;
  }
  [[nodiscard]] bool is_interrupted() const override { return interrupted; }

  bool interrupted = false;

 private:
  const Bytes bytes_;
};

Bytes read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::uint32_t word_at(const Bytes& bytes, std::size_t at) {
  std::uint32_t word = 0;
  for (std::size_t i = 0; i < 4; ++i) word = word << 8U | bytes[at + i];
  return word;
}

void set_word(Bytes& bytes, std::size_t at, std::uint32_t word) {
  for (std::size_t i = 0; i < 4; ++i) {
    bytes[at + i] = static_cast<std::uint8_t>(word >> (24 - 8 * i));
  }
}

/// The start and the end of each box's payload, by type.
using Boxes = std::multimap<std::string, std::pair<std::size_t, std::size_t>>;

void find_boxes(const Bytes& bytes, std::size_t from, std::size_t to, Boxes& found) {
  while (from + 8 <= to) {
    const std::string type(bytes.begin() + static_cast<std::ptrdiff_t>(from) + 4,
                           bytes.begin() + static_cast<std::ptrdiff_t>(from) + 8);
    const std::size_t size = word_at(bytes, from);
    if (size < 8 || from + size > to) return;
    found.emplace(type, std::pair(from + 8, from + size));
    for (const char* parent :
         {"moov", "trak", "edts", "mdia", "minf", "stbl", "mvex", "moof", "traf"}) {
      if (type == parent) find_boxes(bytes, from + 8, from + size, found);
    }
    from += size;
  }
}

Boxes boxes_of(const Bytes& bytes) {
  Boxes found;
  find_boxes(bytes, 0, bytes.size(), found);
  return found;
}

constexpr std::uint32_t values[] = {0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF};
const char* const damaged_boxes[] = {"mvhd", "tkhd", "elst", "mdhd", "stts", "ctts", "stsz", "stsc",
                                     "stco", "stss", "mehd", "trex", "tfhd", "tfdt", "trun"};

/// Returns the positions of the words that matter: the first eight of a box, one in the middle, and
/// the last two. A table has its first and last entries there.
std::vector<std::size_t> list_words(std::size_t begin, std::size_t end) {
  std::vector<std::size_t> words;
  const auto count = (end - begin) / 4;
  for (std::size_t i = 0; i < count; ++i) {
    if (i < 8 || i == count / 2 || i + 2 >= count) words.push_back(begin + 4 * i);
  }
  return words;
}

/// The film may have at most a minute of silence and twice the pictures of the clip.
std::uint64_t find_most_bytes(const Bytes& clip) { return clip.size() * 4 + (1U << 20U); }

/// Does everything that the library can do with a clip. Returns a description of a fault, or
/// nothing.
std::string use(const Bytes& bytes, bool decodes) {
  MemoryStream clip(bytes);
  static_cast<void>(probe(clip));
  const auto frames = count_frames(clip);
  if (frames && *frames > bytes.size()) return std::to_string(*frames) + " frames";
  if (decodes) {
    const auto pictures = read_pictures(clip, 0, 24);
    if (pictures && pictures->size() > 24) return "too many pictures";
    static_cast<void>(make_thumbnail(clip, 64));
  }
  FilmJoiner film;
  std::uint64_t size = 0;
  if (film.append(clip)) {
    for (;;) {
      const auto piece = film.read();
      if (!piece && piece.error().code != ErrorCode::bad_media) return piece.error().message;
      if (!piece || piece->empty()) break;
      size += piece->size();
      if (size > find_most_bytes(bytes))
        return "a film of more than " + std::to_string(size) + " bytes";
    }
    const auto rest = film.finish();
    if (rest) size += rest->size();
  }
  if (size > find_most_bytes(bytes)) return "a film of " + std::to_string(size) + " bytes";
  return "";
}

/// Does the same in a child process with limited time and memory. Returns the fault, or nothing.
std::string use_apart(const Bytes& bytes, bool decodes) {
  int ends[2];
  if (::pipe(ends) != 0) return "no pipe";
  const auto child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    ::alarm(30);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    constexpr rlimit memory{512U << 20U, 512U << 20U};
    ::setrlimit(RLIMIT_AS, &memory);
#endif
    std::string fault;
    try {
      fault = use(bytes, decodes);
    } catch (const std::exception& thrown) {
      fault = thrown.what();
    }
    static_cast<void>(!::write(ends[1], fault.data(), fault.size()));
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string fault(200, '\0');
  const auto got = ::read(ends[0], fault.data(), fault.size());
  ::close(ends[0]);
  fault.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) fault = "signal " + std::to_string(WTERMSIG(status));
  return fault;
}

/// Replaces each number of these boxes by each of the values.
void expect_bounded(const Bytes& clip, bool decodes, std::size_t every = 1) {
  ASSERT_EQ(use_apart(clip, decodes), "");
  const auto boxes = boxes_of(clip);
  std::size_t tried = 0;
  for (const std::string type : damaged_boxes) {
    const auto [from, to] = boxes.equal_range(type);
    std::size_t nth = 0;
    // The first three boxes belong to the video, the sound, and one more fragment.
    for (auto box = from; box != to && nth < 3; ++box, ++nth) {
      for (const auto at : list_words(box->second.first, box->second.second)) {
        for (const auto value : values) {
          if (tried++ % every != 0) continue;
          auto damaged = clip;
          set_word(damaged, at, value);
          EXPECT_EQ(use_apart(damaged, decodes), "")
              << type << " " << nth << ", byte " << at - box->second.first << ": " << value;
        }
      }
    }
  }
  EXPECT_GT(tried, 300U);
}

class ClipLimits : public testing::Test {
 protected:
  /// Makes a clip of two seconds.
  Bytes make(const std::string& how, const std::string& rate = "24") {
    const auto path = directory_.file("clip.mp4");
    output_of("ffmpeg -v error -y -f lavfi -i testsrc2=size=64x36:rate=" + rate +
              ":duration=2 -f lavfi -i sine=sample_rate=48000:duration=2 -c:v libx264 -preset "
              "veryfast -pix_fmt yuv420p -c:a aac -ac 2 " +
              how + " " + path + " 2>&1");
    return read_file(path);
  }
  /// Returns the position of the payload of the nth box of this type.
  static std::size_t box(const Bytes& clip, const std::string& type, std::size_t nth = 0) {
    const auto boxes = boxes_of(clip);
    auto found = boxes.lower_bound(type);
    std::advance(found, static_cast<std::ptrdiff_t>(nth));
    return found->second.first;
  }
  TemporaryDirectory directory_;
};

struct Layout {
  const char* name;
  const char* how;
};
class DamagedClip : public ClipLimits, public testing::WithParamInterface<Layout> {};

TEST_P(DamagedClip, IsReadAndJoinedWithinItsSize) { expect_bounded(make(GetParam().how), true); }

INSTANTIATE_TEST_SUITE_P(
    Layouts, DamagedClip,
    testing::Values(Layout{"MoovLast", ""}, Layout{"MoovFirst", "-movflags faststart"},
                    Layout{"Fragmented",
                           "-movflags frag_keyframe+delay_moov -frag_duration 300000"}),
    [](const auto& row) { return std::string(row.param.name); });

TEST_F(ClipLimits, ARealClipIsReadAndJoinedWithinItsSize) {
  const auto path = test::clip_path("veo31-dialogue.mp4");
  if (!path) GTEST_SKIP() << "veo31-dialogue.mp4 is missing";
  expect_bounded(read_file(*path), false, 4);
}

/// Returns the error of a film that consists of this clip.
Error find_failure(const Bytes& bytes) {
  MemoryStream clip(bytes);
  FilmJoiner film;
  if (auto done = film.append(clip); !done) return done.error();
  for (;;) {
    const auto piece = film.read();
    if (!piece) return piece.error();
    if (piece->empty()) return {.code = ErrorCode::bad_media, .message = "nothing"};
  }
}

TEST_F(ClipLimits, APictureThatIsShownHoursLaterIsRefused) {
  const auto clip = make("");
  const auto at = box(clip, "ctts");
  const std::size_t entries = word_at(clip, at + 4);
  ASSERT_GT(entries, 10U);
  // libavformat itself drops offsets of more than six hours, except for the last two, where it
  // accepts any.
  const std::pair<std::size_t, std::uint32_t> offsets[] = {{9, 0x0FFFFFFF},
                                                           {entries - 1, 0x7FFFFFFF}};
  for (const auto& [entry, offset] : offsets) {
    auto damaged = clip;
    set_word(damaged, at + 8 + 8 * entry + 4, offset);
    const auto error = find_failure(damaged);
    EXPECT_EQ(error.code, ErrorCode::bad_media);
    EXPECT_THAT(error.message, HasSubstr("Its timestamps are damaged")) << entry;
  }
}

TEST_F(ClipLimits, ADamagedHeaderIsRefusedBeforeAnythingIsWritten) {
  const auto clip = make("");
  const std::pair<std::string, std::size_t> numbers[] = {{"stts", 12}, {"stsz", 8},  {"stco", 4},
                                                         {"elst", 4},  {"tkhd", 12}, {"stsc", 4}};
  for (const auto& [type, at] : numbers) {
    auto damaged = clip;
    set_word(damaged, box(damaged, type) + at, 0x80000000);
    MemoryStream stream(damaged);
    const auto format = probe(stream);
    ASSERT_FALSE(format) << type;
    EXPECT_EQ(format.error().code, ErrorCode::bad_media) << type;
  }
}

TEST_F(ClipLimits, ARateIsAtMostAThousandFramesASecond) {
  const auto clip = make("-video_track_timescale 12288");
  for (const std::uint32_t scale : {1U, 500U, 600'000U, 0x7FFFFFFFU}) {
    auto damaged = clip;
    set_word(damaged, box(damaged, "mdhd") + 12, scale);
    EXPECT_THAT(find_failure(damaged).message, HasSubstr("frame rate")) << scale;
  }
}

// A probe precedes the payment for a continuation, so it has to find that the clip cannot be
// joined.
TEST_F(ClipLimits, AProbeRefusesWhatAJoinWould) {
  const auto clip = make("");
  auto main_profile = clip;
  const std::uint8_t low_complexity[] = {0x11, 0x90};  // 48 kHz, stereo
  const auto esds =
      std::search(main_profile.begin() + static_cast<std::ptrdiff_t>(box(clip, "stts", 1) - 200),
                  main_profile.end(), std::begin(low_complexity), std::end(low_complexity));
  ASSERT_NE(esds, main_profile.end());
  *esds = 0x09;
  MemoryStream sound(main_profile);
  const auto format = probe(sound);
  ASSERT_FALSE(format);
  EXPECT_THAT(format.error().message, HasSubstr("AAC-LC"));

  auto no_sets = clip;
  const std::string type = "avcC";
  const auto avcc = std::search(no_sets.begin(), no_sets.end(), type.begin(), type.end());
  ASSERT_NE(avcc, no_sets.end());
  *(avcc + 4) = 9;  // the version of the avcC box
  MemoryStream pictures(no_sets);
  EXPECT_FALSE(probe(pictures));
}

// Without this check a small file could make a film of any size.
TEST_F(ClipLimits, NoByteIsUsedTwice) {
  auto clip = make("");
  // Let all chunks of the video refer to the first one.
  const auto at = box(clip, "stco");
  ASSERT_GT(word_at(clip, at + 4), 20U);
  for (std::uint32_t i = 1; i < word_at(clip, at + 4); ++i) {
    set_word(clip, at + 8 + std::size_t{4} * i, word_at(clip, at + 8));
  }
  const auto sizes = box(clip, "stsz");
  for (std::uint32_t i = 0; i < word_at(clip, sizes + 8); ++i) {
    set_word(clip, sizes + 12 + std::size_t{4} * i, word_at(clip, sizes + 12));
  }
  EXPECT_THAT(find_failure(clip).message, HasSubstr("more than once"));
}

TEST_F(ClipLimits, AnInterruptedClipIsReadNoFurther) {
  MemoryStream clip(make(""));
  FilmJoiner film;
  ASSERT_TRUE(film.append(clip));
  clip.interrupted = true;
  const auto piece = film.read();
  ASSERT_FALSE(piece);
  EXPECT_EQ(piece.error().code, ErrorCode::network);
  EXPECT_FALSE(probe(clip));
  EXPECT_FALSE(count_frames(clip));
  EXPECT_FALSE(read_pictures(clip, 0, 24));
  EXPECT_FALSE(make_thumbnail(clip, 64));
  EXPECT_TRUE(film.finish());
}

TEST(Limits, RatesAreFractionsOfSmallTerms) {
  EXPECT_EQ(limits::make_rate({24000, 1001}).value(), (FrameRate{24000, 1001}));
  EXPECT_EQ(limits::make_rate({2'147'483'640, 89'478'485}).value(), (FrameRate{24, 1}));
  EXPECT_EQ(limits::make_rate({1000, 1}).value(), (FrameRate{1000, 1}));
  for (const AVRational rate :
       {AVRational{1001, 1}, {1, 2}, {0, 1}, {1, 0}, {-24, 1}, {2'147'483'647, 1}}) {
    EXPECT_FALSE(limits::make_rate(rate)) << rate.num << "/" << rate.den;
  }
}

TEST(Limits, TimesAreWithinADay) {
  EXPECT_TRUE(limits::check_time(86'400, {1, 1}));
  EXPECT_FALSE(limits::check_time(86'402, {1, 1}));
  EXPECT_FALSE(limits::check_time(-86'402, {1, 1}));
  EXPECT_FALSE(limits::check_time(std::numeric_limits<std::int64_t>::min(), {1, 12288}));
  EXPECT_FALSE(limits::check_time(std::numeric_limits<std::int64_t>::max(), {1, 0x7FFFFFFF}));
}

TEST(Limits, PicturesStandStillForAMinuteBeyondTwiceTheirTime) {
  constexpr FrameRate rate{24, 1};
  EXPECT_TRUE(limits::check_place(1440 + 16 + 2, 1, rate));
  EXPECT_FALSE(limits::check_place(1440 + 16 + 3, 1, rate));
  EXPECT_TRUE(limits::check_place(1440 + 16 + 20, 10, rate));
}

}  // namespace
}  // namespace veo::media
