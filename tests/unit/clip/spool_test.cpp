// SPDX-License-Identifier: LGPL-2.1-or-later
#include "spool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace veo {
namespace {

constexpr auto piece_size = ClipContents::piece_size;

void write(Spool& spool, std::uint64_t offset, const std::vector<std::uint8_t>& bytes) {
  const auto room = spool.open(offset, bytes.size());
  ASSERT_EQ(room.bytes.size(), bytes.size());
  std::ranges::copy(bytes, room.bytes.begin());
  spool.on_added(offset, bytes.size());
}

std::vector<std::uint8_t> bytes_of(const std::optional<SharedBytes>& found) {
  if (!found) return {};
  return {found->bytes.begin(), found->bytes.end()};
}

TEST(Spool, FindsWhatWasAddedAndNothingElse) {
  Spool spool;
  EXPECT_FALSE(spool.find(0, 10));
  write(spool, 100, {1, 2, 3});
  write(spool, 103, {4});
  EXPECT_FALSE(spool.find(99, 10));
  EXPECT_EQ(bytes_of(spool.find(100, 10)), (std::vector<std::uint8_t>{1, 2, 3, 4}));
  EXPECT_EQ(bytes_of(spool.find(102, 1)), (std::vector<std::uint8_t>{3}));
  EXPECT_FALSE(spool.find(104, 10));
}

// open() gives room for bytes. A read may still be filling the room, so it contains no bytes yet.
TEST(Spool, OpenedRoomWithoutBytesIsNotFound) {
  Spool spool;
  const auto room = spool.open(0, 10);
  EXPECT_FALSE(spool.find(0, 10));
  spool.on_added(0, 3);
  EXPECT_EQ(spool.find(0, 10)->bytes.size(), 3U);
}

TEST(Spool, TwoFetchesFillOnePiece) {
  Spool spool;
  write(spool, 0, {1, 2});
  write(spool, 10, {8, 9});
  EXPECT_EQ(bytes_of(spool.find(0, 100)), (std::vector<std::uint8_t>{1, 2}));
  EXPECT_FALSE(spool.find(2, 100));
  EXPECT_EQ(bytes_of(spool.find(10, 100)), (std::vector<std::uint8_t>{8, 9}));
}

TEST(Spool, OnePieceIsFoundAtATime) {
  Spool spool;
  write(spool, 0, std::vector<std::uint8_t>(piece_size, 1));
  write(spool, piece_size, {2});
  EXPECT_EQ(spool.find(0, UINT64_MAX / 2)->bytes.size(), piece_size);
  EXPECT_EQ(bytes_of(spool.find(piece_size, 9)), (std::vector<std::uint8_t>{2}));
}

// A piece may be opened again for its other bytes. The new piece does not contain the evicted
// bytes.
TEST(Spool, AnEvictedPieceIsGoneAndItsReadersKeepTheirBytes) {
  Spool spool;
  write(spool, 0, {1, 2, 3});
  const auto held = spool.find(0, 3);
  spool.evict(0);
  EXPECT_FALSE(spool.find(0, 3));
  write(spool, 3, {4});
  EXPECT_FALSE(spool.find(0, 3));
  EXPECT_EQ(bytes_of(spool.find(3, 1)), (std::vector<std::uint8_t>{4}));
  EXPECT_EQ(bytes_of(held), (std::vector<std::uint8_t>{1, 2, 3}));
}

TEST(Spool, BytesOutliveTheSpool) {
  std::optional<SharedBytes> held;
  {
    Spool spool;
    write(spool, 5, {7, 8});
    held = spool.find(5, 2);
  }
  EXPECT_EQ(bytes_of(held), (std::vector<std::uint8_t>{7, 8}));
}

TEST(Spool, ScratchIsOfNoPiece) {
  Spool spool;
  const auto room = spool.scratch();
  EXPECT_EQ(room.bytes.size(), piece_size);
  EXPECT_FALSE(spool.find(0, 1));
}

}  // namespace
}  // namespace veo
