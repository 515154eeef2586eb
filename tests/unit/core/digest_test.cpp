// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/digest.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace veo {
namespace {

std::span<const std::uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// The examples of FIPS 180-2, appendix B, and the empty message.
TEST(Sha256, GivesTheStandardsDigests) {
  EXPECT_EQ(compute_sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(compute_sha256("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(compute_sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(compute_sha256(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, IsTheSameInPieces) {
  const std::string text("a\0b, however it is cut into pieces that are not of one block's size",
                         67);
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    Sha256 sum;
    sum.add(bytes_of(text.substr(0, cut)));
    sum.add({});
    sum.add(bytes_of(text.substr(cut)));
    EXPECT_EQ(sum.finish(), compute_sha256(text)) << cut;
  }
  EXPECT_NE(compute_sha256(text), compute_sha256("a")) << "a null byte ends nothing";
}

}  // namespace
}  // namespace veo
