// SPDX-License-Identifier: LGPL-2.1-or-later
#include "spool.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <vector>

namespace veo {
namespace {

using Writer = Spool::Writer;
constexpr auto piece_size = Spool::piece_size;

std::vector<std::uint8_t> pattern(std::size_t size, std::uint8_t first) {
  std::vector<std::uint8_t> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(first + i);
  return bytes;
}

Spool::File make_file() {
  return std::make_shared<const FileHandle>(::memfd_create("spool", MFD_CLOEXEC));
}

/// As a download does: into the room that there is. Stores what is sealed where there is a file.
void write(Spool& spool, std::uint64_t offset, std::vector<std::uint8_t> bytes) {
  const auto end = offset + bytes.size();
  for (std::size_t at = 0; at < bytes.size();) {
    const auto room = spool.room(Writer::main, offset + at);
    ASSERT_FALSE(room.bytes.empty());
    const auto count = std::min(room.bytes.size(), bytes.size() - at);
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), count, room.bytes.begin());
    auto piece = spool.added(Writer::main, count);
    at += count;
    if (!piece && offset + at == end) piece = spool.seal(Writer::main);
    if (!piece || !spool.file()) continue;
    ASSERT_TRUE(Spool::store(*spool.file(), piece->offset, piece->bytes()));
    spool.stored(*piece);
  }
}

/// As a reader does: from memory, else from the file.
std::vector<std::uint8_t> read(Spool& spool, std::uint64_t offset, std::size_t size) {
  std::vector<std::uint8_t> bytes;
  while (bytes.size() < size) {
    const auto at = offset + bytes.size();
    const auto rest = size - bytes.size();
    if (const auto found = spool.take(at, rest, true)) {
      bytes.insert(bytes.end(), found->bytes.begin(), found->bytes.end());
      continue;
    }
    std::vector<std::uint8_t> loaded(rest);
    EXPECT_TRUE(spool.file() && Spool::load(*spool.file(), at, loaded));
    bytes.insert(bytes.end(), loaded.begin(), loaded.end());
  }
  return bytes;
}

TEST(Spool, KnowsWhichBytesAreThere) {
  Spool spool(make_file());
  EXPECT_EQ(spool.run_at(0), 0U);
  EXPECT_EQ(spool.next_after(0), std::nullopt);

  write(spool, 100, pattern(50, 1));
  EXPECT_EQ(spool.run_at(99), 0U);
  EXPECT_EQ(spool.run_at(100), 50U);
  EXPECT_EQ(spool.run_at(149), 1U);
  EXPECT_EQ(spool.run_at(150), 0U);
  EXPECT_EQ(spool.next_after(0), 100U);
  EXPECT_EQ(spool.next_after(150), std::nullopt);

  write(spool, 0, pattern(100, 7));
  EXPECT_EQ(spool.run_at(0), 150U) << "neighbours are one run";
  EXPECT_EQ(spool.held(), 150U);
  EXPECT_EQ(read(spool, 0, 100), pattern(100, 7));
  EXPECT_EQ(read(spool, 100, 50), pattern(50, 1));
}

TEST(Spool, HasNoRoomForWhatIsHere) {
  Spool spool(make_file());
  write(spool, 1000, pattern(10, 1));
  EXPECT_EQ(spool.room(Writer::main, 900).bytes.size(), 100U);
  EXPECT_EQ(spool.room(Writer::side, 0).bytes.size(), 1000U);
}

TEST(Spool, ReadersTakeWhatWasWrittenWithoutACopy) {
  Spool spool(make_file());
  const auto room = spool.room(Writer::main, 0);
  std::ranges::fill(room.bytes.first(10), std::uint8_t{7});
  EXPECT_FALSE(spool.added(Writer::main, 10));
  const auto taken = spool.take(2, 100, true);
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->bytes.data(), room.bytes.data() + 2);
  EXPECT_EQ(taken->bytes.size(), 8U);
  EXPECT_EQ(spool.room(Writer::main, 10).bytes.data(), room.bytes.data() + 10)
      << "goes on in the same piece";
}

TEST(Spool, GivesAFullPieceToBeStoredAndKeepsItUntilThen) {
  Spool spool(make_file());
  const auto room = spool.room(Writer::main, 0);
  EXPECT_EQ(room.bytes.size(), piece_size);
  const auto piece = spool.added(Writer::main, piece_size);
  ASSERT_TRUE(piece);
  EXPECT_EQ(spool.bound(), piece_size);
  spool.shrink(0);
  EXPECT_EQ(spool.in_memory(), piece_size) << "the file does not have it yet";
  spool.stored(*piece);
  EXPECT_EQ(spool.bound(), 0U);
  spool.shrink(0);
  EXPECT_EQ(spool.in_memory(), 0U);
  EXPECT_EQ(spool.run_at(0), piece_size) << "it is in the file";
}

TEST(Spool, ReadsFromTheFileWhatIsNotInMemoryAnyMore) {
  Spool spool(make_file());
  const auto bytes = pattern(3 * piece_size + 5, 3);
  write(spool, 0, bytes);
  spool.shrink(piece_size);
  EXPECT_EQ(spool.in_memory(), piece_size);
  EXPECT_EQ(read(spool, 0, bytes.size()), bytes);
}

TEST(Spool, WithoutAFileForgetsWhatWasTaken) {
  Spool spool;
  const auto bytes = pattern(3 * piece_size, 9);
  write(spool, 0, bytes);
  spool.shrink(0);
  EXPECT_EQ(spool.held(), bytes.size()) << "nobody has read it";
  ASSERT_TRUE(spool.take(0, 100, false));
  EXPECT_EQ(read(spool, 0, piece_size), pattern(piece_size, 9));
  spool.shrink(0);
  EXPECT_EQ(spool.run_at(0), 0U);
  EXPECT_EQ(spool.run_at(piece_size), 2 * piece_size);
  spool.let_go();
  spool.shrink(0);
  EXPECT_EQ(spool.held(), 0U);
}

TEST(Spool, WhatIsForgottenStaysWithWhoTookIt) {
  Spool spool;
  write(spool, 0, pattern(piece_size, 5));
  const auto taken = spool.take(0, piece_size, true);
  spool.shrink(0);
  ASSERT_EQ(spool.held(), 0U);
  EXPECT_TRUE(std::ranges::equal(taken->bytes, pattern(piece_size, 5)));
}

TEST(Spool, ASealedPieceIsNotAddedTo) {
  Spool spool(make_file());
  std::ranges::fill(spool.room(Writer::main, 0).bytes.first(10), std::uint8_t{1});
  EXPECT_FALSE(spool.added(Writer::main, 10));
  const auto sealed = spool.seal(Writer::main);
  ASSERT_TRUE(sealed);
  EXPECT_EQ(sealed->size, 10U);
  EXPECT_FALSE(spool.seal(Writer::main));
  EXPECT_NE(spool.room(Writer::main, 10).bytes.data(), sealed->block->data() + 10);
}

TEST(Spool, TwoWritersMayBringTheSameBytes) {
  Spool spool;
  const auto bytes = pattern(100, 3);
  // Both ask for room before one of them has brought anything.
  const auto main = spool.room(Writer::main, 0);
  const auto side = spool.room(Writer::side, 50);
  std::ranges::copy(bytes, main.bytes.begin());
  std::copy(bytes.begin() + 50, bytes.end(), side.bytes.begin());
  EXPECT_FALSE(spool.added(Writer::side, 50));
  EXPECT_FALSE(spool.added(Writer::main, 100));
  EXPECT_EQ(spool.held(), 100U);
  EXPECT_EQ(read(spool, 0, 100), bytes);
}

TEST(Spool, AReadBeyondTheFilesEndFails) {
  const auto file = make_file();
  ASSERT_TRUE(Spool::store(*file, 0, pattern(10, 0)));
  std::vector<std::uint8_t> bytes(11);
  const auto outcome = Spool::load(*file, 0, bytes);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::cache);
}

}  // namespace
}  // namespace veo
