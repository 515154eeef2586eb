// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/escape.h"

#include <gtest/gtest.h>

#include <string>

namespace veo {
namespace {

using namespace std::string_literals;

TEST(Escape, PercentEncodesAndBack) {
  EXPECT_EQ(percent_encode("aZ9-._~"), "aZ9-._~");
  EXPECT_EQ(percent_encode("a/b c?d#e:f,g%h"), "a%2Fb%20c%3Fd%23e%3Af%2Cg%25h");
  EXPECT_EQ(percent_encode("ä"), "%C3%A4");
  std::string all;
  for (int byte = 1; byte < 256; ++byte) all += static_cast<char>(byte);
  EXPECT_EQ(percent_decode(percent_encode(all)), all);
  EXPECT_EQ(percent_decode("%c3%a4+b"), "ä+b");
  for (const auto* const wrong : {"%", "%4", "a%4", "%zz", "%4z", "%00", "a%"}) {
    EXPECT_FALSE(percent_decode(wrong)) << wrong;
  }
}

TEST(Escape, QuotesAWordOfAShell) {
  EXPECT_EQ(quote_for_shell("a/b:c=d@e%f+g,h-i.j_k"), "a/b:c=d@e%f+g,h-i.j_k");
  for (const auto* const text :
       {"", " ", "~", "a;b", "a|b", "$x", "`x`", "a\"b", "a\\b", "*", "ä"}) {
    EXPECT_EQ(quote_for_shell(text), "'" + std::string(text) + "'");
  }
  EXPECT_EQ(quote_for_shell("a'b"), "'a'\\''b'");
}

TEST(Escape, ShowsAnyTextToPeople) {
  EXPECT_EQ(escape_text("a ä 日", 100), "a ä 日");
  EXPECT_EQ(escape_text("\x1b[2J\n\\\xff\x7f", 100), "\\x1B[2J\\x0A\\x5C\\xFF\\x7F");
  EXPECT_EQ(escape_text("a\0b"s, 100), "a\\x00b");
  EXPECT_EQ(escape_text("\xc2\x9b", 100), "\\xC2\\x9B") << "a control character of two bytes";
  EXPECT_EQ(escape_text("\xc3", 100), "\\xC3") << "half a character";
  EXPECT_EQ(escape_text(std::string(200, 'x'), 200), std::string(200, 'x'));
  EXPECT_EQ(escape_text(std::string(201, 'x'), 200), std::string(200, 'x') + "… (201 bytes)");
  EXPECT_EQ(escape_text("aä", 2), "a… (3 bytes)") << "between two characters";
}

}  // namespace
}  // namespace veo
