// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/mp4_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include "mp4_file.h"

namespace veo::mp4 {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Need = LayoutScanner::Need;

std::vector<std::string> words(const std::string& line) {
  std::istringstream stream(line);
  return {std::istream_iterator<std::string>(stream), {}};
}

constexpr std::uint64_t ftyp_size = 32;

Table narrow(std::vector<std::uint64_t> offsets) { return {false, std::move(offsets)}; }
Table wide(std::vector<std::uint64_t> offsets) { return {true, std::move(offsets)}; }

// --- the move of the moov ---

struct Delivery {
  const char* delivered;
  const char* streamable;
};

class Streamable : public testing::TestWithParam<Delivery> {};

// The same builder makes the expected file, with the boxes in the new order. So the test compares
// each byte: the chunk offsets, the sizes, and the bytes that must not change.
TEST_P(Streamable, IsTheFileWithItsBoxesInTheNewOrder) {
  const auto delivered = file_of(words(GetParam().delivered));
  const auto expected = file_of(words(GetParam().streamable));
  const auto [scanner, status, needs] = scan(delivered);
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(scanner.layout()->size(), expected.size());
  EXPECT_EQ(present(delivered, *scanner.layout()), expected);
  EXPECT_EQ(names_of(scanner.boxes()), names_of(boxes_in(delivered)));
  for (const auto& need : needs) {
    EXPECT_LE(need.offset + need.size, delivered.size());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Deliveries, Streamable,
    testing::Values(Delivery{"ftyp uuid mdat moov", "ftyp uuid moov mdat"},
                    Delivery{"ftyp free uuid mdat moov", "ftyp free uuid moov mdat"},
                    Delivery{"ftyp mdat moov", "ftyp moov mdat"},
                    Delivery{"ftyp mdat64 moov", "ftyp moov mdat64"},
                    Delivery{"ftyp mdat moov64", "ftyp moov64 mdat"},
                    // The moov extended to the end of the file. After the move it has a size.
                    Delivery{"ftyp mdat moov0", "ftyp moov mdat"},
                    Delivery{"ftyp mdat mdat64 mdat moov", "ftyp moov mdat mdat64 mdat"},
                    Delivery{"ftyp wide mdat free mdat uuid moov",
                             "ftyp wide moov mdat free mdat uuid"},
                    Delivery{"ftyp mdat moov free", "ftyp moov mdat free"},
                    Delivery{"ftyp mdat moov free8", "ftyp moov mdat free8"},
                    Delivery{"ftyp mdat moov mdat uuid", "ftyp moov mdat mdat uuid"},
                    Delivery{"ftyp mdat moov mdat0", "ftyp moov mdat mdat0"}));

// The hash of a C2PA manifest does not hold once the moov has moved.
INSTANTIATE_TEST_SUITE_P(
    Manifests, Streamable,
    testing::Values(Delivery{"ftyp c2pa mdat moov", "ftyp blank moov mdat"},
                    Delivery{"ftyp free8 c2pa mdat moov", "ftyp free8 blank moov mdat"},
                    Delivery{"ftyp c2pa64 mdat moov", "ftyp blank64 moov mdat"},
                    Delivery{"ftyp mdat c2pa moov", "ftyp moov mdat blank"},
                    Delivery{"ftyp mdat moov c2pa", "ftyp moov mdat blank"},
                    // The manifest extended to the end of the file. Its free box has a size.
                    Delivery{"ftyp mdat moov c2pa0", "ftyp moov mdat blank"},
                    Delivery{"ftyp c2pa c2pa64 uuid mdat c2pa mdat64 uuid moov free c2pa",
                             "ftyp blank blank64 uuid moov mdat blank mdat64 uuid free blank"}));

class Original : public testing::TestWithParam<const char*> {};

TEST_P(Original, IsPresentedAsItIs) {
  const auto delivered = file_of(words(GetParam()));
  const auto [scanner, status, needs] = scan(delivered);
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_THAT(scanner.layout()->segments(), SizeIs(1));
  EXPECT_EQ(present(delivered, *scanner.layout()), delivered);
}

INSTANTIATE_TEST_SUITE_P(
    Files, Original,
    testing::Values("ftyp moov mdat", "ftyp moov64 mdat64", "ftyp moov", "ftyp moov0",
                    "ftyp moov mdat0", "ftyp free moov free mdat", "ftyp moov moof mdat moof mdat",
                    "ftyp styp sidx moov", "ftyp moof mdat moov", "ftyp mdat moov moof mdat",
                    // These boxes can have offsets into the file.
                    "ftyp mdat moov mfra", "ftyp sidx mdat moov", "ftyp mdat sidx moov",
                    "ftyp meta mdat moov", "ftyp mdat moov meta", "ftyp mdat moov ssix",
                    "ftyp mdat !six moov", "ftyp mdat abcd moov",
                    // The file keeps its bytes, so the hash of its manifest holds.
                    "ftyp c2pa moov mdat", "ftyp moov mdat c2pa", "ftyp c2pa moov moof mdat",
                    "ftyp c2pa mdat moov mfra", "ftyp c2pa mdat abcd moov"));

TEST(LayoutScanner, AMovieWithFragmentsStaysAsItIs) {
  const auto moov = box("moov", concat({box("mvhd", Bytes(100)), box("mvex", Bytes(32))}));
  const auto file = concat({file_of({"ftyp", "mdat"}), moov});
  const auto [scanner, status, needs] = scan(file);
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(present(file, *scanner.layout()), file);
}

// --- the manifest ---

bool contains(const Bytes& bytes, const Bytes& part) {
  return std::search(bytes.begin(), bytes.end(), part.begin(), part.end()) != bytes.end();
}

bool has_manifest(const Bytes& bytes) { return contains(bytes, manifest_type); }

/// Makes a file `ftyp uuid mdat moov` with `in_uuid` in its uuid box. The only chunk is `at` bytes
/// after the start of the uuid box.
Bytes file_with_uuid(const Bytes& in_uuid, std::uint64_t at, Header form = Header::compact) {
  const auto ftyp = file_of({"ftyp"});
  const auto moov = box("moov", track(chunk_table({.wide = false, .offsets = {ftyp.size() + at}})));
  return concat({ftyp, box("uuid", in_uuid, form), box("mdat", text("0123456789")), moov});
}

TEST(Manifest, IsTheOnlyUuidThatGoes) {
  auto other = manifest_type;
  other.back() ^= 1U;
  const Bytes shorter(manifest_type.begin(), manifest_type.end() - 1);
  for (const auto form : {Header::compact, Header::large}) {
    for (const auto& kept : {other, shorter, Bytes(), concat({{0}, manifest_type})}) {
      const auto uuid = box("uuid", kept, form);
      const auto file = file_with_uuid(kept, uuid.size() + 8, form);
      const auto out = present(file, *scan(file).scanner.layout());
      ASSERT_NE(out, file) << "the moov did not move";
      EXPECT_TRUE(contains(out, uuid)) << kept.size() << " bytes";
    }
  }
}

TEST(Manifest, MayHaveNothingButItsType) {
  const auto file = file_with_uuid(manifest_type, 32);
  const auto out = present(file, *scan(file).scanner.layout());
  EXPECT_THAT(names_of(boxes_in(out)), ElementsAre("ftyp", "free", "moov", "mdat"));
  EXPECT_EQ(out.size(), file.size());
  EXPECT_FALSE(has_manifest(out));
}

// Media in a uuid box are absurd, but a layout never changes a byte of media.
TEST(Manifest, WithMediaInItKeepsTheFileAsItIs) {
  const auto inside = concat({manifest_type, Bytes(24, 'x')});
  const auto is_kept = [&](std::uint64_t at) {
    const auto file = file_with_uuid(inside, at);
    return present(file, *scan(file).scanner.layout()) == file;
  };
  EXPECT_TRUE(is_kept(0));
  EXPECT_TRUE(is_kept(24));
  EXPECT_TRUE(is_kept(47));
  EXPECT_FALSE(is_kept(48)) << "the header of the mdat";
  EXPECT_FALSE(is_kept(56)) << "the media";
}

// A chunk may begin before the manifest and reach into it.
TEST(Manifest, ThatAChunkReachesKeepsTheFileAsItIs) {
  const auto is_kept = [](std::uint32_t chunk_size) {
    const auto ftyp = file_of({"ftyp"});
    const auto mdat = box("mdat", Bytes(10, 'm'));
    const auto stbl = box(
        "stbl", concat({box("stsc", concat({number(0, 4), number(1, 4), number(1, 4), number(1, 4),
                                            number(1, 4)})),
                        box("stsz", concat({number(0, 4), number(chunk_size, 4), number(1, 4)})),
                        chunk_table({.wide = false, .offsets = {ftyp.size() + 8}})}));
    const auto moov = box("moov", box("trak", box("mdia", box("minf", stbl))));
    const auto file = concat({ftyp, mdat, manifest(), moov});
    const auto [scanner, status, needs] = scan(file);
    EXPECT_TRUE(status) << status.error().message;
    return present(file, *scanner.layout()) == file;
  };
  EXPECT_FALSE(is_kept(10));
  EXPECT_TRUE(is_kept(11));
}

TEST(Manifest, OfManyGibibytesTakesNoMemory) {
  const auto moov = movie({narrow({40})});
  constexpr std::uint64_t size = 0x1'4000'0000;  // 5 GiB
  const SparseFile file(ftyp_size + 64 + size + moov.size(),
                        {{0, file_of({"ftyp", "mdat"})},
                         {96, concat({header("uuid", size - 16, Header::large), manifest_type})},
                         {96 + size, moov}});
  const auto [scanner, status, needs] = scan(file);
  ASSERT_TRUE(status) << status.error().message;
  const auto& layout = *scanner.layout();
  EXPECT_EQ(layout.size(), file.size);
  const auto free_at = 96 + moov.size();
  const auto head = layout.find_extent(free_at);
  ASSERT_TRUE(head && head->memory != nullptr);
  EXPECT_EQ(Bytes(head->memory, head->memory + head->size),
            header("free", size - 16, Header::large));
  // The zeros have no place in the file, and come in extents that the reader can hold.
  std::uint64_t extents = 0;
  for (auto at = free_at + 16; at < layout.size(); ++extents) {
    const auto zeros = layout.find_extent(at);
    ASSERT_TRUE(zeros && zeros->memory != nullptr) << at;
    if (extents % 9'973 == 0) {
      EXPECT_TRUE(std::all_of(zeros->memory, zeros->memory + zeros->size,
                              [](std::uint8_t byte) { return byte == 0; }));
    }
    at += zeros->size;
  }
  EXPECT_GT(extents, 1U);
  EXPECT_EQ(layout.find_extent(layout.size() - 1)->size, 1U);
}

// --- needs ---

TEST(LayoutScanner, AsksForHeadersAndTheMoovAlone) {
  const auto file = file_of({"ftyp", "uuid", "mdat", "moov"});
  const auto boxes = boxes_in(file);
  ASSERT_THAT(boxes, SizeIs(4));
  EXPECT_THAT(scan(file).needs,
              ElementsAre(Need{0, 32}, Need{boxes[1].offset, 32}, Need{boxes[2].offset, 32},
                          Need{boxes[3].offset, 32}, Need{boxes[3].offset, boxes[3].size}));
}

// The layout is known at the first media. The scan goes on to the last box.
TEST(LayoutScanner, WhereTheMoovComesFirstTheFirstMediaDecide) {
  const auto file = file_of({"ftyp", "moov", "free", "mdat", "uuid"});
  const auto boxes = boxes_in(file);
  LayoutScanner scanner(file.size());
  std::vector<Need> needs;
  while (!scanner.layout()) {
    const auto need = *scanner.find_need();
    needs.push_back(need);
    ASSERT_TRUE(scanner.take_bytes(std::span(file).subspan(need.offset, need.size)));
  }
  EXPECT_THAT(needs, ElementsAre(Need{0, 32}, Need{boxes[1].offset, 32},
                                 Need{boxes[1].offset, boxes[1].size}, Need{boxes[2].offset, 32},
                                 Need{boxes[3].offset, 32}));
  EXPECT_EQ(scanner.find_need(), (Need{boxes[4].offset, file.size() - boxes[4].offset}));
}

// --- completeness ---

Status check(const Bytes& file) {
  return check_structure(file.size(), [&](std::uint64_t offset, std::span<std::uint8_t> into) {
    std::ranges::copy(std::span(file).subspan(offset, into.size()), into.begin());
    return Status();
  });
}

class Complete : public testing::TestWithParam<const char*> {};

TEST_P(Complete, EveryCutIsSeen) {
  const auto file = file_of(words(GetParam()));
  EXPECT_TRUE(check(file)) << check(file).error().message;
  const auto boxes = boxes_in(file);
  for (std::size_t size = 0; size < file.size(); ++size) {
    // A file that is cut between two boxes is complete if the missing boxes are neither media nor
    // moov.
    const bool is_complete = std::ranges::any_of(boxes, [&](const Box& box) {
      return box.end() == size && std::ranges::all_of(boxes, [&](const Box& other) {
               return other.end() <= size ||
                      (other.type != fourcc("moov") && other.type != fourcc("mdat"));
             });
    });
    const auto cut = check({file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size)});
    EXPECT_EQ(cut.has_value(), is_complete) << "cut after " << size << " of " << file.size();
    if (!cut) {
      EXPECT_EQ(cut.error().code, ErrorCode::bad_media);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Layouts, Complete,
                         testing::Values("ftyp uuid mdat moov", "ftyp moov mdat",
                                         "ftyp c2pa mdat moov", "ftyp moov64 mdat64",
                                         "ftyp mdat moov free", "ftyp moov free mdat uuid"));

/// Makes a file `ftyp moov mdat`. Its only chunk has `samples` samples of 100 bytes and begins `at`
/// bytes after the start of the media. The mdat extends to the end of the file and has `media`
/// bytes.
Bytes one_chunk(std::uint32_t samples, std::uint32_t one_size, std::size_t media, std::size_t at) {
  Bytes file;
  std::size_t start = 0;
  for (int round = 0; round < 2; ++round) {
    auto sizes = concat({number(0, 4), number(one_size, 4), number(samples, 4)});
    for (std::uint32_t i = 0; one_size == 0 && i < samples; ++i) {
      sizes = concat({sizes, number(100, 4)});
    }
    const auto stbl =
        box("stbl",
            concat({box("stsc", concat({number(0, 4), number(1, 4), number(1, 4),
                                        number(samples, 4), number(1, 4)})),
                    box("stsz", sizes), chunk_table({.wide = false, .offsets = {start + at}})}));
    const auto moov = box("moov", box("trak", box("mdia", box("minf", stbl))));
    file = concat({box("ftyp", Bytes(8)), moov, box("mdat", Bytes(media), Header::to_end)});
    start = file.size() - media;
  }
  return file;
}

// An `mdat` that extends to the end of the file fits into a truncated file too. Only the samples
// show that bytes are missing.
TEST(CheckStructure, SamplesLieWithinTheFile) {
  for (const std::uint32_t one_size : {0U, 100U}) {
    SCOPED_TRACE(one_size);
    EXPECT_TRUE(check(one_chunk(10, one_size, 1000, 0)));
    EXPECT_TRUE(check(one_chunk(10, one_size, 1007, 7)));
    EXPECT_FALSE(check(one_chunk(10, one_size, 999, 0)));
    EXPECT_FALSE(check(one_chunk(10, one_size, 1006, 7)));
  }
  EXPECT_FALSE(check(one_chunk(0xffff'ffff, 0xffff'ffff, 1000, 0)));
}

TEST(CheckStructure, AMoofWithoutItsMediaIsCut) {
  EXPECT_TRUE(check(file_of({"ftyp", "moov", "moof", "mdat"})));
  EXPECT_FALSE(check(file_of({"ftyp", "moov", "moof", "mdat", "moof"})));
}

TEST(CheckStructure, AFailureToReadIsReturned) {
  const auto status = check_structure(100, [](std::uint64_t, std::span<std::uint8_t>) {
    return Status(fail(Error{.code = ErrorCode::cache}));
  });
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::cache);
}

// --- offsets that cannot be corrected ---

/// Makes a `dinf` whose media are in this file (flag 1) or in another one (flag 0).
Bytes data_information(std::uint64_t flag) {
  const auto entry = box("url ", concat({number(flag, 4), text("x")}));
  return box("dinf", box("dref", concat({number(0, 4), number(1, 4), entry})));
}

/// Makes a track whose `minf` has `in_minf`, and whose `stbl` has `in_stbl`.
Bytes track_with(const Bytes& in_minf, const Bytes& in_stbl) {
  const auto minf = box("minf", concat({in_minf, box("stbl", in_stbl)}));
  return box("trak", box("mdia", minf));
}

/// Makes a file `ftyp mdat moov` with a table of one chunk. The chunk is the first byte of media.
Bytes file_with(const Bytes& in_moov) {
  return concat({file_of({"ftyp", "mdat"}), box("moov", in_moov)});
}

Bytes one_chunk() { return chunk_table({.wide = false, .offsets = {40}}); }

bool is_moved(const Bytes& file) {
  const auto [scanner, status, needs] = scan(file);
  EXPECT_TRUE(status) << status.error().message;
  return status && present(file, *scanner.layout()) != file;
}

// The same boxes without the offset move. So each case below stays because of its one box.
TEST(LayoutScanner, MovesWhatItUnderstands) {
  EXPECT_TRUE(is_moved(file_with(track_with({}, one_chunk()))));
  EXPECT_TRUE(is_moved(file_with(track_with(data_information(1), one_chunk()))));
  EXPECT_TRUE(is_moved(file_with(
      concat({track_with({}, one_chunk()), box("udta", box("meta", box("ilst", Bytes(40))))}))));
}

TEST(LayoutScanner, AMoovWithOtherOffsetsStaysWhereItIs) {
  const auto track = track_with({}, one_chunk());
  const struct {
    const char* what;
    Bytes moov;
  } cases[] = {
      {"a compressed moov", box("cmov", Bytes(100))},
      {"a compressed part of a track",
       concat({box("trak", concat({box("tkhd", Bytes(84)), box("cmov", Bytes(100))})), track})},
      {"a compressed box in a table", track_with({}, concat({one_chunk(), box("cmov", {})}))},
      {"items", concat({track, box("meta", concat({number(0, 4), box("iloc", Bytes(20))}))})},
      {"encrypted samples", track_with({}, concat({one_chunk(), box("saio", Bytes(12))}))},
      {"a track without offsets", concat({track, track_with({}, box("stsz", Bytes(12)))})},
      {"a track without tables", concat({track, box("trak", box("tkhd", Bytes(84)))})},
      {"media in another file", track_with(data_information(0), one_chunk())},
      {"a damaged reference", track_with(box("dinf", box("dref", Bytes(20, 0xff))), one_chunk())},
      {"another movie", concat({track, box("rmra", Bytes(20))})},
  };
  for (const auto& [what, moov] : cases) EXPECT_FALSE(is_moved(file_with(moov))) << what;
}

TEST(LayoutScanner, NeverAsksBeyondTheEnd) {
  const auto file = file_of({"ftyp", "mdat", "moov", "free8"});
  EXPECT_THAT(scan(file).needs, testing::Contains(Need{file.size() - 8, 8}));
  EXPECT_EQ(LayoutScanner(0).find_need(), (Need{0, 0}));
  EXPECT_EQ(LayoutScanner(5).find_need(), (Need{0, 5}));
}

// --- 32 bits and more ---

constexpr std::uint64_t mdat_size = 0x1'4000'0000;  // 5 GiB
constexpr std::uint64_t moov_offset = ftyp_size + mdat_size;
constexpr std::uint64_t largest_narrow = 0xffff'ffff;

/// Makes a file `ftyp mdat moov mdat`. The media are headers and zeros.
SparseFile large_file(const Bytes& moov) {
  const auto moov_end = moov_offset + moov.size();
  return {moov_end + 1000,
          {{0, box("ftyp", Bytes(24))},
           {ftyp_size, header("mdat", mdat_size - 16, Header::large)},
           {moov_offset, moov},
           {moov_end, header("mdat", 992)}}};
}

/// Expects that the move changes `tables` to `moved`, and that the new moov equals one that is made
/// with `moved`.
void expect_moved(const std::vector<Table>& tables, const std::vector<Table>& moved) {
  const auto [scanner, status, needs] = scan(large_file(movie(tables)));
  ASSERT_TRUE(status) << status.error().message;
  const auto& segments = scanner.layout()->segments();
  ASSERT_THAT(segments, SizeIs(4));
  ASSERT_TRUE(segments[1].memory);
  EXPECT_EQ(tables_in(*segments[1].memory), moved);
  EXPECT_EQ(*segments[1].memory, movie(moved));
  EXPECT_EQ(segments[1].size, movie(moved).size());
  EXPECT_EQ(segments[0].size, ftyp_size);
  EXPECT_EQ(segments[2].file_offset, ftyp_size);
  EXPECT_EQ(segments[2].size, mdat_size);
  EXPECT_EQ(segments[3].file_offset, moov_offset + movie(tables).size());
  EXPECT_EQ(segments[3].size, 1000U);
  EXPECT_EQ(scanner.layout()->size(), ftyp_size + mdat_size + movie(moved).size() + 1000);
}

TEST(LargeFile, TheLastOffsetThatFitsStaysNarrow) {
  const auto m = movie({narrow({0, 0})}).size();
  expect_moved({narrow({100, largest_narrow - m})}, {narrow({100 + m, largest_narrow})});
}

TEST(LargeFile, TheFirstThatDoesNotFitWidensItsTableAndMovesAllByThat) {
  const auto m = movie({narrow({0, 0}), narrow({0})}).size();
  const auto shift = m + 8;
  expect_moved({narrow({100, largest_narrow - m + 1}), narrow({5000})},
               {wide({100 + shift, largest_narrow + 1 + 8}), narrow({5000 + shift})});
}

TEST(LargeFile, OneTablesGrowthWidensTheNext) {
  // The third table does not fit. Its growth makes the second table grow, and the first still fits.
  const auto m = movie({narrow({0}), narrow({0, 0}), narrow({0})}).size();
  const auto shift = m + 4 + 8;
  const auto edge = largest_narrow - m;
  expect_moved(
      {narrow({edge - 12}), narrow({64, edge}), narrow({edge + 1})},
      {narrow({largest_narrow}), wide({64 + shift, edge + shift}), wide({edge + 1 + shift})});
  // If the offset of the first table is larger by one, this table grows too.
  const auto all = shift + 4;
  expect_moved({narrow({edge - 11}), narrow({64, edge}), narrow({edge + 1})},
               {wide({edge - 11 + all}), wide({64 + all, edge + all}), wide({edge + 1 + all})});
}

TEST(LargeFile, WideTablesMoveWithoutGrowing) {
  const auto m = movie({wide({0, 0, 0})}).size();
  expect_moved({wide({48, 0xffff'ffff, moov_offset - 1})},
               {wide({48 + m, 0xffff'ffff + m, moov_offset - 1 + m})});
}

TEST(LargeFile, OffsetsBehindTheMoovMoveByItsGrowthAlone) {
  const auto m = movie({narrow({0}), wide({0, 0})}).size();
  const auto behind = moov_offset + m + 8;
  expect_moved({narrow({100}), wide({200, behind})}, {narrow({100 + m}), wide({200 + m, behind})});
  expect_moved({narrow({largest_narrow}), wide({200, behind})},
               {wide({largest_narrow + m + 4}), wide({200 + m + 4, behind + 4})});
}

TEST(LargeFile, OffsetsBehindTheMoovStayNarrowIfTheyDoNotMove) {
  const auto moov = movie({narrow({largest_narrow})});
  const auto media = file_of({"ftyp", "mdat"});
  const auto moov_end = media.size() + moov.size();
  const auto [scanner, status, needs] = scan(
      {moov_end + mdat_size,
       {{0, concat({media, moov})}, {moov_end, header("mdat", mdat_size - 16, Header::large)}}});
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(*scanner.layout()->segments()[1].memory, moov);
}

TEST(LargeFile, TheOrderOfTheOffsetsDoesNotMatter) {
  const auto m = movie({narrow({0, 0})}).size();
  expect_moved({narrow({largest_narrow, 100})}, {wide({largest_narrow + m + 8, 108 + m})});
}

TEST(LargeFile, OffsetsAheadOfTheMediaStay) {
  const auto m = movie({narrow({0, 0, 0})}).size();
  expect_moved({narrow({0, ftyp_size - 1, ftyp_size})},
               {narrow({0, ftyp_size - 1, ftyp_size + m})});
  expect_moved({narrow({0, ftyp_size - 1, largest_narrow})},
               {wide({0, ftyp_size - 1, largest_narrow + m + 12})});
}

TEST(LargeFile, EmptyTablesAndNoTracksAreNothingToDo) {
  expect_moved({}, {});
  expect_moved({narrow({}), wide({})}, {narrow({}), wide({})});
}

TEST(LargeFile, TablesWidenInALongChain) {
  // The growth of each table makes exactly one more table grow.
  constexpr std::size_t count = 2'000;
  std::vector<Table> tables(count, narrow({0}));
  const auto m = movie(tables).size();
  for (std::size_t i = 0; i < count; ++i) tables[i] = narrow({largest_narrow - m + 1 - 4 * i});
  const auto [scanner, status, needs] = scan(large_file(movie(tables)));
  ASSERT_TRUE(status) << status.error().message;
  const auto& moov = *scanner.layout()->segments()[1].memory;
  EXPECT_EQ(moov.size(), m + 4 * count);
  const auto moved = tables_in(moov);
  ASSERT_THAT(moved, SizeIs(count));
  for (std::size_t i = 0; i < count; ++i) {
    ASSERT_EQ(moved[i], wide({tables[i].offsets[0] + moov.size()})) << i;
  }
}

TEST(LargeFile, ATableMayHaveALargesizeItself) {
  const auto moov = [](const Table& table) {
    return box("moov", track(chunk_table(table, Header::large)));
  };
  const auto m = moov(narrow({0})).size();
  const auto result = scan(large_file(moov(narrow({largest_narrow}))));
  ASSERT_TRUE(result.status) << result.status.error().message;
  EXPECT_EQ(*result.scanner.layout()->segments()[1].memory, moov(wide({largest_narrow + m + 4})));
}

// --- refusals ---

struct Damage {
  const char* name;
  SparseFile file;
  std::vector<std::string> message;
};

void PrintTo(const Damage& damage, std::ostream* out) { *out << damage.name; }

/// Makes a file `ftyp mdat moov` with these bytes in the moov.
Bytes with_moov(const Bytes& in_moov) {
  return concat({file_of({"ftyp", "mdat"}), box("moov", in_moov)});
}
Bytes with_stbl(const Bytes& in_stbl) { return with_moov(track(in_stbl)); }
Bytes with_chunk_at(std::uint64_t offset) { return with_stbl(chunk_table(wide({offset}))); }

std::vector<Damage> damages() {
  const auto ftyp = file_of({"ftyp"});
  const auto media = file_of({"ftyp", "mdat"});
  const auto complete = file_of({"ftyp", "mdat", "moov"});
  const auto cut = [&](std::ptrdiff_t by) { return Bytes(complete.begin(), complete.end() - by); };
  const auto entry = chunk_table(narrow({40}));
  const auto moov_at = media.size();
  const auto chunk_file_size = with_chunk_at(0).size();
  const auto nested = [](const Bytes& two) {  // two boxes of one type in one trak
    return with_moov(box("trak", two));
  };
  Bytes many = ftyp;
  for (std::size_t i = 0; i < LayoutScanner::max_boxes; ++i) many = concat({many, box("free", {})});

  return {
      {"Empty", Bytes(), {"not an MP4"}},
      {"SevenBytes", Bytes(7), {"not an MP4"}},
      {"Html", text("<!DOCTYPE html><html><body>Not found</body></html>"), {"not an MP4"}},
      {"Text", text("{\"error\": {\"code\": \"task_not_found\"}}"), {"not an MP4"}},
      {"MediaSegment", file_of({"styp", "moof", "mdat"}), {"not an MP4"}},
      {"NoFtyp", file_of({"moov", "mdat"}), {"not an MP4"}},
      {"FtypAlone", ftyp, {"no 'moov'"}},
      {"NoMoov", media, {"no 'moov'"}},
      {"MdatToTheEnd", file_of({"ftyp", "mdat0", "moov"}), {"no 'moov'"}},
      {"FragmentsAlone", file_of({"ftyp", "moof", "mdat"}), {"no 'moov'"}},
      {"TwoMoovs", file_of({"ftyp", "mdat", "moov", "moov"}), {"two 'moov'"}},
      {"CutInMdat",
       Bytes(media.begin(), media.end() - 1),
       {"cut short", "'mdat' box of 64 bytes", "at byte 32", "file of 95 bytes"}},
      {"CutInMoov", cut(1), {"cut short", "'moov'"}},
      {"CutInHeader", Bytes(complete.begin(), complete.begin() + 37), {"last 5 bytes"}},
      {"Tail", concat({complete, Bytes(4)}), {"last 4 bytes"}},
      {"SizeBelowHeader",
       concat({media, concat({number(7, 4), text("moov")})}),
       {"'moov' box of 7 "}},
      {"LargesizeBelowHeader",
       concat({media, concat({number(1, 4), text("moov"), number(15, 8)})}),
       {"'moov' box of 15 "}},
      {"LargesizeCut", concat({media, concat({number(1, 4), text("moov")})}), {"last 8 bytes"}},
      {"LargesizeHuge",
       concat({media, concat({number(1, 4), text("moov"), number(~std::uint64_t{0}, 8)})}),
       {"'moov' box of 18446744073709551615 "}},
      {"UnprintableType",
       concat({media, concat({number(99, 4), {0, 0x1b, 0xff, 'x'}})}),
       {"'...x'"}},
      {"ManyBoxes", many, {"more than 4096 boxes"}},
      {"HugeMoov",
       SparseFile(media.size() + LayoutScanner::max_moov_size + 1,
                  {{0, media}, {media.size(), header("moov", LayoutScanner::max_moov_size - 7)}}),
       {"'moov' box of 16777217 bytes"}},
      {"ChildBeyondParent",
       with_moov(concat({number(109, 4), text("trak"), Bytes(100)})),
       {"'trak' box of 109 bytes", "its 'moov'"}},
      {"ChildToTheEnd", with_moov(concat({number(0, 4), text("trak")})), {"'trak' box of 0 bytes"}},
      {"ChildCut", with_moov(Bytes(7)), {"'moov' ends in mid-box"}},
      {"ChildLargesizeCut", with_moov(concat({number(1, 4), text("trak")})), {"mid-box"}},
      {"TwoMdia", nested(concat({box("mdia", {}), box("mdia", {})})), {"'trak' has two", "'mdia'"}},
      {"TwoMinf",
       nested(box("mdia", concat({box("minf", {}), box("minf", {})}))),
       {"'mdia' has two", "'minf'"}},
      {"TwoStbl",
       nested(box("mdia", box("minf", concat({box("stbl", {}), box("stbl", {})})))),
       {"'minf' has two", "'stbl'"}},
      {"TwoTables", with_stbl(concat({entry, entry})), {"'stbl' has two", "'stco'"}},
      {"StcoAndCo64",
       with_stbl(concat({entry, chunk_table(wide({40}))})),
       {"'stbl' has two", "'co64'"}},
      {"CountTooLarge",
       with_stbl(box("stco", concat({number(0, 4), number(2, 4), number(40, 4)}))),
       {"'stco' box of 20 bytes", "entries"}},
      {"CountTooSmall",
       with_stbl(box("stco", concat({number(0, 4), number(0, 4), number(40, 4)}))),
       {"'stco' box of 20 bytes", "entries"}},
      {"CountHuge",
       with_stbl(box("co64", concat({number(0, 4), number(0xffff'ffff, 4), number(40, 8)}))),
       {"'co64' box of 24 bytes", "entries"}},
      {"CountMissing", with_stbl(box("stco", number(0, 4))), {"'stco' box of 12 bytes"}},
      {"ChunkAtTheEnd",
       with_chunk_at(chunk_file_size),
       {"at byte " + std::to_string(chunk_file_size) + " cannot be in a file of"}},
      {"ChunkFarAway",
       with_chunk_at(~std::uint64_t{0}),
       {"at byte 18446744073709551615", "cannot be in a file"}},
      {"ChunkAtTheMoov", with_chunk_at(moov_at), {"at byte 96 cannot be in a file"}},
      {"ChunkAtTheMoovsEnd", with_chunk_at(chunk_file_size - 1), {"cannot be in a file"}},
  };
}

class Refused : public testing::TestWithParam<Damage> {};

TEST_P(Refused, SaysWhatIsWrong) {
  auto [scanner, status, needs] = scan(GetParam().file);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::bad_media);
  for (const auto& part : GetParam().message) EXPECT_THAT(status.error().message, HasSubstr(part));
  for (const auto& need : needs) EXPECT_LE(need.offset + need.size, GetParam().file.size);

  // The failure is final: a later call returns it again.
  const auto need = scanner.find_need();
  ASSERT_TRUE(need);
  EXPECT_EQ(scanner.take_bytes(Bytes(need->size)).error(), status.error());
}

INSTANTIATE_TEST_SUITE_P(Files, Refused, testing::ValuesIn(damages()),
                         [](const auto& damage) { return damage.param.name; });

TEST(LayoutScanner, TheLargestMoovIsTaken) {
  const auto media = file_of({"ftyp", "mdat"});
  const auto size = LayoutScanner::max_moov_size;
  // One box of zeros fills the moov.
  const SparseFile file(
      media.size() + size,
      {{0, media}, {media.size(), concat({header("moov", size - 8), header("udta", size - 16)})}});
  const auto [scanner, status, needs] = scan(file);
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(scanner.layout()->size(), file.size);
}

// --- Layout ---

TEST(Layout, FindsTheRestOfASegment) {
  const auto bytes = std::make_shared<const Bytes>(Bytes{1, 2, 3});
  const Layout layout({{.memory = nullptr, .file_offset = 100, .size = 10},
                       {.memory = nullptr, .file_offset = 7, .size = 0},
                       {.memory = bytes, .file_offset = 0, .size = 3},
                       {.memory = nullptr, .file_offset = 200, .size = 5}});
  EXPECT_EQ(layout.size(), 18U);
  EXPECT_THAT(layout.segments(), SizeIs(3)) << "empty ones are dropped";
  struct Case {
    std::uint64_t offset;
    const std::uint8_t* memory;
    std::uint64_t file_offset;
    std::uint64_t size;
  };
  for (const auto& [offset, memory, file_offset, size] :
       {Case{0, nullptr, 100, 10}, Case{9, nullptr, 109, 1}, Case{10, bytes->data(), 0, 3},
        Case{12, bytes->data() + 2, 0, 1}, Case{13, nullptr, 200, 5}, Case{17, nullptr, 204, 1}}) {
    const auto extent = layout.find_extent(offset);
    ASSERT_TRUE(extent) << offset;
    EXPECT_EQ(extent->memory, memory) << offset;
    if (memory == nullptr) {
      EXPECT_EQ(extent->file_offset, file_offset) << offset;
    }
    EXPECT_EQ(extent->size, size) << offset;
  }
  EXPECT_FALSE(layout.find_extent(18));
  EXPECT_FALSE(layout.find_extent(~std::uint64_t{0}));
}

TEST(Layout, OfNothingHasNoBytes) {
  EXPECT_FALSE(Layout().find_extent(0));
  EXPECT_THAT(Layout::make_original(0).segments(), IsEmpty());
  EXPECT_EQ(Layout::make_original(1).find_extent(0)->size, 1U);
}

// --- the service's own files ---

std::vector<std::filesystem::path> clips() {
  const char* named = std::getenv("VEO_TEST_CLIPS");
  const std::filesystem::path folder =
      named != nullptr ? named : VEO_SOURCE_ROOT "/../shared/clips";
  std::set<std::filesystem::path> found;
  std::error_code ignored;
  for (const auto& file : std::filesystem::directory_iterator(folder, ignored)) {
    if (file.path().extension() == ".mp4") found.insert(file.path());
  }
  return {found.begin(), found.end()};
}

TEST(RealClips, HaveEachChunkWhereTheNewOffsetsSay) {
  if (clips().empty()) GTEST_SKIP() << "no clips here (VEO_TEST_CLIPS names their folder)";
  for (const auto& path : clips()) {
    SCOPED_TRACE(path.filename());
    std::ifstream stream(path, std::ios::binary);
    const Bytes file{std::istreambuf_iterator<char>(stream), {}};
    const auto [scanner, status, needs] = scan(file);
    ASSERT_TRUE(status) << status.error().message;
    const auto streamable = present(file, *scanner.layout());
    ASSERT_EQ(streamable.size(), file.size());

    auto names = names_of(boxes_in(file));
    ASSERT_EQ(names.back(), "moov");
    ASSERT_EQ(names[names.size() - 2], "mdat");
    std::swap(names.back(), names[names.size() - 2]);
    ASSERT_EQ(std::ranges::count(names, "uuid"), 1) << "the manifest";
    std::ranges::replace(names, "uuid", "free");
    EXPECT_EQ(names_of(boxes_in(streamable)), names);
    EXPECT_TRUE(has_manifest(file));
    EXPECT_FALSE(has_manifest(streamable));
    EXPECT_FALSE(contains(streamable, text("c2pa"))) << "nothing can find it";

    const auto before = tables_in(file);
    const auto after = tables_in(streamable);
    ASSERT_THAT(before, SizeIs(2)) << "a picture and a sound track";
    ASSERT_THAT(after, SizeIs(2));
    // A chunk ends where the next chunk begins, or at the end of the media.
    std::set<std::uint64_t> borders = {scanner.boxes().back().offset};
    for (const auto& table : before) borders.insert(table.offsets.begin(), table.offsets.end());
    std::uint64_t compared = 0;
    for (std::size_t t = 0; t < before.size(); ++t) {
      ASSERT_EQ(after[t].offsets.size(), before[t].offsets.size());
      EXPECT_GE(before[t].offsets.size(), 190U);
      for (std::size_t i = 0; i < before[t].offsets.size(); ++i) {
        const auto from = before[t].offsets[i];
        const auto size = *borders.upper_bound(from) - from;
        const auto to = after[t].offsets[i];
        ASSERT_LE(to + size, streamable.size());
        ASSERT_TRUE(std::ranges::equal(std::span(file).subspan(from, size),
                                       std::span(streamable).subspan(to, size)));
        compared += size;
      }
    }
    EXPECT_EQ(compared, scanner.boxes()[scanner.boxes().size() - 2].size - 8) << "all media";
  }
}

}  // namespace
}  // namespace veo::mp4
