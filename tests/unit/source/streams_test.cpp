// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/source/streams.h"

#include <gtest/gtest.h>

#include <array>
#include <future>
#include <memory>
#include <vector>

namespace veo {
namespace {

using Bytes = std::vector<std::uint8_t>;

SharedBytes make(std::size_t size, std::uint8_t value) {
  const auto bytes = std::make_shared<Bytes>(size, value);
  return {.owner = bytes, .bytes = *bytes};
}

Bytes read(PushedStream& stream, std::uint64_t offset, std::size_t most) {
  Bytes into(most);
  const auto got = stream.read(offset, into);
  EXPECT_TRUE(got);
  into.resize(got.value_or(0));
  return into;
}

TEST(PushedStream, GivesWhatWasPushedAcrossItsPieces) {
  PushedStream stream;
  EXPECT_TRUE(stream.push(make(3, 1)));
  EXPECT_TRUE(stream.push(make(3, 2)));
  stream.end();
  EXPECT_EQ(read(stream, 1, 10), (Bytes{1, 1, 2, 2, 2}));
  EXPECT_EQ(read(stream, 0, 4), (Bytes{1, 1, 1, 2}));
  EXPECT_EQ(read(stream, 6, 4), Bytes{});
}

TEST(PushedStream, ReleasedBytesAreGone) {
  PushedStream stream;
  EXPECT_TRUE(stream.push(make(3, 1)));
  EXPECT_TRUE(stream.push(make(3, 2)));
  stream.release(4);
  EXPECT_EQ(read(stream, 4, 10), (Bytes{2, 2}));
  std::array<std::uint8_t, 1> into{};
  EXPECT_FALSE(stream.read(2, into));
}

TEST(PushedStream, HoldsAWindowAndMoreWhereItIsWanted) {
  PushedStream stream;
  EXPECT_TRUE(stream.push(make(PushedStream::window, 1)));
  auto pushed = std::async(std::launch::async, [&] { return stream.push(make(1, 2)); });
  // No bytes were released. The second push succeeds because the reader asks for its byte.
  EXPECT_EQ(read(stream, PushedStream::window, 1), Bytes{2});
  EXPECT_TRUE(pushed.get());
  auto held = std::async(std::launch::async, [&] { return stream.push(make(1, 3)); });
  stream.release(PushedStream::window);
  EXPECT_TRUE(held.get());
}

TEST(PushedStream, BothEndsAreInterrupted) {
  PushedStream stream;
  EXPECT_TRUE(stream.push(make(PushedStream::window, 1)));
  auto pushed = std::async(std::launch::async, [&] { return stream.push(make(1, 2)); });
  stream.interrupt();
  EXPECT_FALSE(pushed.get());
  std::array<std::uint8_t, 1> into{};
  EXPECT_FALSE(stream.read(PushedStream::window, into));
  stream.reset();
  EXPECT_TRUE(stream.push(make(1, 3)));
  EXPECT_EQ(read(stream, 0, 1), Bytes{3});
}

TEST(PushedStream, DiscardedBytesHoldUpNobody) {
  PushedStream stream;
  EXPECT_TRUE(stream.push(make(PushedStream::window, 1)));
  auto pushed = std::async(std::launch::async, [&] { return stream.push(make(1, 2)); });
  stream.discard();
  EXPECT_TRUE(pushed.get());
  EXPECT_TRUE(stream.push(make(PushedStream::window * 2, 3)));
  EXPECT_TRUE(stream.push(make(1, 4)));
}

}  // namespace
}  // namespace veo
