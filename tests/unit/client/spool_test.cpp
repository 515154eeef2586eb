// SPDX-License-Identifier: LGPL-2.1-or-later
#include "spool.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <vector>

namespace veo {
namespace {

std::vector<std::uint8_t> pattern(std::size_t size, std::uint8_t first) {
  std::vector<std::uint8_t> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(first + i);
  return bytes;
}

Spool make_spool() {
  return Spool(std::make_shared<const FileHandle>(::memfd_create("spool", MFD_CLOEXEC)));
}

TEST(Spool, KnowsWhichBytesAreThere) {
  auto spool = make_spool();
  EXPECT_EQ(spool.run_at(0), 0U);
  EXPECT_EQ(spool.next_after(0), std::nullopt);

  ASSERT_TRUE(spool.write(100, pattern(50, 1)));
  EXPECT_EQ(spool.run_at(99), 0U);
  EXPECT_EQ(spool.run_at(100), 50U);
  EXPECT_EQ(spool.run_at(149), 1U);
  EXPECT_EQ(spool.run_at(150), 0U);
  EXPECT_EQ(spool.next_after(0), 100U);
  EXPECT_EQ(spool.next_after(150), std::nullopt);

  ASSERT_TRUE(spool.write(0, pattern(100, 7)));
  EXPECT_EQ(spool.run_at(0), 150U) << "neighbours are one run";
  EXPECT_EQ(spool.held(), 150U);

  std::vector<std::uint8_t> read(150);
  ASSERT_TRUE(spool.read(0, read));
  EXPECT_EQ(std::vector(read.begin(), read.begin() + 100), pattern(100, 7));
  EXPECT_EQ(std::vector(read.begin() + 100, read.end()), pattern(50, 1));
}

TEST(Spool, AReadBeyondItsEndFails) {
  auto spool = make_spool();
  ASSERT_TRUE(spool.write(0, pattern(10, 0)));
  std::vector<std::uint8_t> read(11);
  const auto outcome = spool.read(0, read);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::cache);
}

TEST(Spool, ClearForgetsEverything) {
  auto spool = make_spool();
  ASSERT_TRUE(spool.write(0, pattern(10, 0)));
  spool.clear();
  EXPECT_EQ(spool.run_at(0), 0U);
  EXPECT_EQ(spool.held(), 0U);
}

}  // namespace
}  // namespace veo
