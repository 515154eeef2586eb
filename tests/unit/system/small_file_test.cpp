// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/system/small_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "command.h"

namespace veo {
namespace {

class SmallFileTest : public testing::Test {
 protected:
  /// Returns the contents, or the message of the error.
  static std::string read(const std::string& path) {
    const auto text = read_small_file(path, rules_);
    if (text) return *text;
    EXPECT_EQ(text.error().code, ErrorCode::invalid_request);
    return text.error().message;
  }
  static std::string read_pipe(const std::string& path, const Patience& patience) {
    const auto text = read_small_file_or_pipe(path, rules_, patience);
    return text ? *text : text.error().message;
  }
  [[nodiscard]] std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(directory_.file(name), std::ios::binary) << text;
    return directory_.file(name);
  }

  inline static const SmallFile rules_{
      .what = "The file", .code = ErrorCode::invalid_request, .most = 10};
  const test::TemporaryDirectory directory_;
};

TEST_F(SmallFileTest, IsReadAsItIs) {
  EXPECT_EQ(read(write("a", std::string("a\0\n b", 5))), std::string("a\0\n b", 5));
  EXPECT_EQ(read(write("empty", "")), "");
  EXPECT_EQ(read(write("full", "0123456789")), "0123456789");
  EXPECT_EQ(read_pipe(write("b", "bytes"), {}), "bytes");
}

TEST_F(SmallFileTest, IsSmall) {
  EXPECT_EQ(read(write("large", "0123456789X")),
            "The file cannot be used: it has more than 10 bytes.");
}

TEST_F(SmallFileTest, IsAFile) {
  EXPECT_EQ(read(directory_.path()), "The file cannot be used: it is a directory.");
  EXPECT_EQ(read("/dev/zero"), "The file cannot be used: it is a device, not a regular file.");
  EXPECT_EQ(read_pipe("/dev/zero", {}),
            "The file cannot be used: it is a device, not a regular file.");
  EXPECT_EQ(read(directory_.file("missing")),
            "The file cannot be used: No such file or directory.");
  ASSERT_EQ(::mkfifo(directory_.file("fifo").c_str(), 0600), 0);
  EXPECT_EQ(read(directory_.file("fifo")),
            "The file cannot be used: it is a pipe, not a regular file.");
}

TEST_F(SmallFileTest, APipeWithoutAWriterIsGivenUp) {
  ASSERT_EQ(::mkfifo(directory_.file("fifo").c_str(), 0600), 0);
  EXPECT_THAT(read_pipe(directory_.file("fifo"), {.timeout = std::chrono::milliseconds(30)}),
              testing::HasSubstr("did not write and close it in time"));
  EXPECT_THAT(read_pipe(directory_.file("fifo"), {.is_cancelled = [] { return true; }}),
              testing::HasSubstr("nobody waits"));
}

TEST_F(SmallFileTest, MayBeRefusedByItsUser) {
  const auto path = write("a", "bytes");
  auto rules = rules_;
  rules.find_objection = [](int, const struct stat& info) -> std::optional<std::string> {
    return "it has " + std::to_string(info.st_size) + " bytes";
  };
  EXPECT_EQ(read_small_file(path, rules).error().message,
            "The file cannot be used: it has 5 bytes.");
}

}  // namespace
}  // namespace veo
