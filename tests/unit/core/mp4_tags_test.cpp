// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/mp4_tags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "mp4_file.h"

namespace veo::mp4 {
namespace {

using testing::ElementsAre;
using testing::Pair;
using testing::UnorderedElementsAre;

/// The items of a list of tags, by their types, where `(c)` stands for 0xA9.
using Items = std::vector<std::pair<std::string, std::string>>;

std::string name_of(std::uint32_t type) {
  std::string name;
  for (const auto byte : number(type, 4)) {
    name += byte == 0xA9 ? "(c)" : std::string(1, static_cast<char>(byte));
  }
  return name;
}

Bytes payload_of(std::span<const std::uint8_t> bytes, const Box& box) {
  const auto within = bytes.subspan(box.offset + box.header_size, box.size - box.header_size);
  return {within.begin(), within.end()};
}

/// Returns the payload of the first box of this name; empty: there is none.
Bytes find(std::span<const std::uint8_t> bytes, const std::string& name) {
  for (const auto& one : boxes_in(bytes)) {
    if (name_of(one.type) == name) return payload_of(bytes, one);
  }
  return {};
}

/// Reads the tags of a file without the code under test.
Items items_in(const Bytes& file) {
  const auto meta = find(find(find(file, "moov"), "udta"), "meta");
  if (meta.size() < 4) return {};
  const auto list = find(std::span(meta).subspan(4), "ilst");
  Items items;
  for (const auto& item : boxes_in(list)) {
    const auto data = find(payload_of(list, item), "data");
    if (data.size() < 8) continue;
    EXPECT_EQ(number_at(data, 0, 4), 1U) << "not UTF-8";
    items.emplace_back(name_of(item.type), std::string(data.begin() + 8, data.end()));
  }
  return items;
}

Bytes item(const std::string& type, const std::string& value) {
  return box(type, box("data", concat({number(1, 4), number(0, 4), text(value)})));
}

Bytes meta_of(const Bytes& in_list, const std::string& handler = "mdir") {
  return box("meta", concat({number(0, 4),
                             box("hdlr", concat({number(0, 8), text(handler), number(0, 13)})),
                             box("ilst", in_list), box("free", Bytes(3))}));
}

constexpr auto media = "0123456789abcdef";

/// Makes a file whose `moov` is at its end, with this box behind the track.
Bytes untagged_file(const Bytes& in_moov, Header form = Header::compact) {
  const auto ftyp = box("ftyp", text("isom"));
  const auto mdat = box("mdat", text(media));
  const auto first = ftyp.size() + 8;
  const auto moov =
      box("moov",
          concat({box("mvhd", Bytes(100)),
                  track(chunk_table({.wide = false, .offsets = {first, first + 10}})), in_moov}),
          form);
  return concat({ftyp, mdat, moov});
}

const ClipTags tags{.title = "a dog",
                    .description = "a dog in a park",
                    .task_ids = {"1", "2"},
                    .date = "2026-11-25T12:13:14Z",
                    .application = "gst-veo 0.1.0"};
const Items all{{"(c)nam", "a dog"},
                {"(c)day", "2026-11-25T12:13:14Z"},
                {"(c)swr", "gst-veo 0.1.0"},
                {"(c)cmt", "veo-task-id=1\nveo-task-id=2"},
                {"desc", "a dog in a park"}};

Bytes streamable(const Bytes& file) { return present(file, *scan(file).scanner.layout()); }
Bytes tagged(const Bytes& file, const ClipTags& with = tags) {
  return present(file, add_tags(*scan(file).scanner.layout(), with));
}

/// Expects that the media of the file are where its table says.
void expect_media(const Bytes& file) {
  const auto tables = tables_in(file);
  ASSERT_EQ(tables.size(), 1U);
  ASSERT_EQ(tables[0].offsets.size(), 2U);
  EXPECT_EQ(file.at(tables[0].offsets[0]), '0');
  EXPECT_EQ(file.at(tables[0].offsets[1]), 'a');
}

class TaggedMoov : public testing::TestWithParam<Header> {};

TEST_P(TaggedMoov, HasTheTagsAndItsMedia) {
  const auto file = tagged(untagged_file({}, GetParam()));
  EXPECT_EQ(items_in(file), all);
  EXPECT_THAT(names_of(boxes_in(file)), ElementsAre("ftyp", "moov", "mdat"));
  expect_media(file);
}

TEST(Tags, AreInTheMoovBehindABlankedManifest) {
  for (const auto form : {Header::compact, Header::large}) {
    const auto ftyp = box("ftyp", text("isom"));
    const auto first = ftyp.size() + manifest(form).size() + 8;
    const auto moov =
        box("moov", track(chunk_table({.wide = false, .offsets = {first, first + 10}})));
    const auto file =
        tagged(concat({ftyp, manifest(form), box("mdat", text(media)), manifest(), moov}));
    EXPECT_EQ(items_in(file), all);
    EXPECT_THAT(names_of(boxes_in(file)), ElementsAre("ftyp", "free", "moov", "mdat", "free"));
    EXPECT_EQ(Bytes(file.begin() + static_cast<std::ptrdiff_t>(ftyp.size()),
                    file.begin() + static_cast<std::ptrdiff_t>(first - 8)),
              blank(form));
    expect_media(file);
  }
}

INSTANTIATE_TEST_SUITE_P(Headers, TaggedMoov, testing::Values(Header::compact, Header::large));

TEST(Tags, TheFilesOwnTagsStayAndComeLast) {
  const auto own = concat({item("\xA9too", "Google"), item("\xA9nam", "its own title")});
  const auto file =
      tagged(untagged_file(box("udta", concat({box("name", text("x")), meta_of(own)}))));
  auto expected = all;
  expected.erase(expected.begin());
  expected.insert(expected.end(), {{"(c)too", "Google"}, {"(c)nam", "its own title"}});
  EXPECT_EQ(items_in(file), expected);
  const auto user_data = find(find(file, "moov"), "udta");
  EXPECT_THAT(names_of(boxes_in(user_data)), ElementsAre("name", "meta"));
  EXPECT_EQ(find(user_data, "name"), text("x"));
  expect_media(file);
}

TEST(Tags, AUserDataBoxMayEndByZeros) {
  const auto file = tagged(untagged_file(box("udta", number(0, 4))));
  EXPECT_EQ(items_in(file), all);
  expect_media(file);
}

TEST(Tags, AnEmptyTextIsNoTag) {
  const auto file = tagged(untagged_file({}), {.title = "t", .application = "a"});
  EXPECT_THAT(items_in(file), UnorderedElementsAre(Pair("(c)nam", "t"), Pair("(c)swr", "a")));
}

/// Words in a prompt are not boxes.
TEST(Tags, APromptMayNameBoxes) {
  auto with = tags;
  with.description = "moov stco co64 iloc cmov sidx saio";
  const auto file = tagged(untagged_file({}), with);
  EXPECT_EQ(find(file, "mdat"), text(media));
  EXPECT_EQ(items_in(file).back().second, with.description);
  expect_media(file);
}

struct Untouched {
  const char* name;
  Bytes in_moov;
};
void PrintTo(const Untouched& one, std::ostream* out) { *out << one.name; }
class UntouchedMoov : public testing::TestWithParam<Untouched> {};

TEST_P(UntouchedMoov, StaysAsItIs) {
  const auto file = untagged_file(GetParam().in_moov);
  EXPECT_EQ(tagged(file), streamable(file));
}

INSTANTIATE_TEST_SUITE_P(
    Forms, UntouchedMoov,
    testing::Values(Untouched{"no boxes in udta", box("udta", text("no boxes at all"))},
                    Untouched{"two udta", concat({box("udta", {}), box("udta", {})})},
                    Untouched{"another handler", box("udta", meta_of({}, "mdta"))},
                    Untouched{"no handler", box("udta", box("meta", number(0, 4)))},
                    Untouched{"an empty meta", box("udta", box("meta", {}))},
                    Untouched{"a damaged list", box("udta", meta_of(text("damaged")))},
                    Untouched{"a meta beside udta", meta_of({})}));

TEST(Tags, AFileThatGoesOutAsDeliveredStaysAsItIs) {
  for (const auto& boxes : {std::vector<std::string>{"ftyp", "moov", "mdat"},
                            std::vector<std::string>{"ftyp", "mdat", "sidx", "moov"}}) {
    const auto file = file_of(boxes);
    EXPECT_EQ(tagged(file), file);
  }
  const auto file = untagged_file({});
  EXPECT_EQ(present(file, add_tags(Layout::make_original(file.size()), tags)), file);
}

/// A table of 32 bits becomes one of 64 bits where the tags push the media over 4 GiB.
TEST(Tags, ATableGrowsWhereTheTagsPushTheMediaTooFar) {
  const auto ftyp = box("ftyp", text("isom"));
  const std::uint64_t mdat = (std::uint64_t{1} << 32U) - 64;
  const auto last = ftyp.size() + mdat - 1;
  const auto make = [&](std::uint64_t offset) {
    return box("moov", track(chunk_table({.wide = false, .offsets = {offset}})));
  };
  // The moved `moov` fits exactly, so that any growth is too much.
  const auto moov = make(last);
  const auto start = std::uint64_t{0xFFFFFFFF} - moov.size();
  ASSERT_LT(start, last);
  const auto fitting = make(start);
  SparseFile file(
      ftyp.size() + mdat + moov.size(),
      {{0, ftyp}, {ftyp.size(), header("mdat", mdat - 8)}, {ftyp.size() + mdat, fitting}});
  const auto scanned = scan(file);
  ASSERT_TRUE(scanned.status) << scanned.status.error().message;
  const auto& layout = *scanned.scanner.layout();
  const auto memory_of = [](const Layout& of) {
    return *std::ranges::find_if(of.segments(), [](const auto& one) {
              return one.memory != nullptr;
            })->memory;
  };
  EXPECT_EQ(tables_in(memory_of(layout))[0], (Table{.wide = false, .offsets = {0xFFFFFFFF}}));
  const auto after = add_tags(layout, tags);
  const auto tables = tables_in(memory_of(after));
  EXPECT_TRUE(tables[0].wide);
  EXPECT_EQ(tables[0].offsets[0], std::uint64_t{0xFFFFFFFF} + after.size() - layout.size());
}

}  // namespace
}  // namespace veo::mp4
