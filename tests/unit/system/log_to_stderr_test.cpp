// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/system/log_to_stderr.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <string>

#include "environment.h"
#include "veo/core/log.h"
#include "veo/system/file_handle.h"

namespace veo::test {
namespace {

using testing::HasSubstr;

/// Makes standard error a pipe that nobody reads, and the old one again at the end.
class UnreadStderr {
 public:
  UnreadStderr() : old_(::dup(STDERR_FILENO)) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe(ends.data()), 0);
    reader_ = FileHandle(ends[0]);
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[1]);
  }
  ~UnreadStderr() { ::dup2(old_.get(), STDERR_FILENO); }
  UnreadStderr(const UnreadStderr&) = delete;
  UnreadStderr& operator=(const UnreadStderr&) = delete;

  /// Returns everything that is in the pipe.
  [[nodiscard]] std::string read() const {
    std::string text;
    std::array<char, 4096> buffer{};
    for (pollfd ready{.fd = reader_.get(), .events = POLLIN, .revents = 0};
         ::poll(&ready, 1, 0) == 1;) {
      text.append(buffer.data(),
                  static_cast<std::size_t>(::read(ready.fd, buffer.data(), buffer.size())));
    }
    return text;
  }

 private:
  const FileHandle old_;
  FileHandle reader_;
};

TEST(LogToStderr, DropsLinesRatherThanWaitForTheirReader) {
  const Environment level("VEO_LOG", "debug");
  log_to_stderr();
  const UnreadStderr stderr_pipe;
  log::info(log::Category::job, "the first line");
  log::trace(log::Category::job, "below the level");
  EXPECT_THAT(stderr_pipe.read(), HasSubstr("Z info veo-job: the first line\n"));

  // More than a pipe holds. A sink that waits never returns from here.
  const std::string part(150, 'x');
  for (int i = 0; i < 2000; ++i) log::info(log::Category::job, log::text(part));
  const auto text = stderr_pipe.read();
  EXPECT_LT(text.size(), 200'000U);
  EXPECT_TRUE(text.ends_with("x\n")) << "a line was cut";

  log::info(log::Category::job, "the last line");
  EXPECT_THAT(stderr_pipe.read(),
              testing::ContainsRegex(
                  "[0-9]+ lines were dropped, because nobody read stderr\n.*the last line\n"));
}

}  // namespace
}  // namespace veo::test
