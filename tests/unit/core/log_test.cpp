// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "veo/core/secret.h"

namespace veo {
namespace {

template <class Part>
concept Loggable = requires(std::string& line, const Part& part) {
  log::detail::append(line, part);
};

// A part that does not say how it is shown does not compile.
static_assert(!Loggable<Secret>);
static_assert(!Loggable<std::string>);
static_assert(!Loggable<std::string_view>);
static_assert(!Loggable<const char*>);
static_assert(Loggable<log::Text> && Loggable<log::Url> && Loggable<Error>);
static_assert(Loggable<int> && Loggable<std::chrono::milliseconds> && Loggable<ErrorCode>);

class Lines final : public log::Sink {
 public:
  [[nodiscard]] bool is_enabled(log::Category category, log::Level level) const override {
    return category == log::Category::job && level <= log::Level::debug;
  }
  void write(const log::At& at, log::Level level, const std::string& line) override {
    lines.push_back(std::string(nick(at.category)) + " " + std::string(nick(level)) + ": " + line);
  }

  std::vector<std::string> lines;
};

class Log : public testing::Test {
 protected:
  Log() { log::set_sink(lines_); }
  static Lines lines_;  // a sink must live as long as the process
};
Lines Log::lines_;

TEST_F(Log, MakesOneLineOfItsParts) {
  lines_.lines.clear();
  log::debug(log::Category::job, "task ", log::text("a\nb\x01"), ": query ", 3, " after ",
             std::chrono::milliseconds(250), ", ", ErrorCode::timeout, ", ",
             log::url("https://me:secret@host/a?sig=secret"), ", told ", true);
  EXPECT_THAT(lines_.lines,
              testing::ElementsAre("veo-job debug: task a\\x0Ab\\x01: query 3 after 250 ms, "
                                   "timeout, https://host/a?\xE2\x80\xA6, told yes"));
}

TEST_F(Log, LeavesOutTheMessageThatQuotesThePrompt) {
  lines_.lines.clear();
  log::debug(log::Category::job, Error{.code = ErrorCode::network, .message = "gone"});
  log::debug(log::Category::job, Error{.code = ErrorCode::submit_unknown, .message = "a dog"});
  EXPECT_THAT(lines_.lines, testing::ElementsAre("veo-job debug: network: gone",
                                                 "veo-job debug: submit-unknown"));
}

TEST_F(Log, SaysNothingThatNobodyAskedFor) {
  lines_.lines.clear();
  log::trace(log::Category::job, "a piece");
  log::error(log::Category::clip, "another category");
  EXPECT_THAT(lines_.lines, testing::IsEmpty());
}

TEST_F(Log, ShowsAnErrorWithItsCodeAndStatus) {
  lines_.lines.clear();
  log::warning(log::Category::job,
               Error{.code = ErrorCode::bad_response, .message = "No.", .http_status = 418});
  EXPECT_THAT(lines_.lines, testing::ElementsAre("veo-job warning: bad-response (HTTP 418): No."));
}

TEST_F(Log, KeepsTheSinkThatIsSet) {
  Lines other;
  EXPECT_FALSE(log::set_sink_if_none(other));
}

}  // namespace
}  // namespace veo
