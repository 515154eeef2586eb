// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the log says of a task, from its claim to its kept clip, and of what goes wrong on the way.
// No line at any level has the key, the prompt or a URL's query.
#include "veo/core/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "simulated_options.h"
#include "simulator.h"
#include "veo/http/io_thread.h"
#include "veo/source/source_reader.h"
#include "veo/system/guarded.h"

namespace veo::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

/// Longer than anything here takes: to wait in vain is a failure.
constexpr auto longest_wait = 20s;

constexpr std::string_view prompt = "a dog whose prompt is private";

/// Records every line. Lives as long as the process, as a sink must.
class Recorder final : public log::Sink {
 public:
  static Recorder& get() {
    static auto* const instance = new Recorder;
    return *instance;
  }

  [[nodiscard]] bool is_enabled(log::Category, log::Level) const override { return is_on_; }
  void write(const log::At& at, log::Level level, const std::string& line) override {
    lines_.lock()->push_back(std::string(nick(at.category)) + " " + std::string(nick(level)) +
                             ": " + line);
  }

  void start() {
    log::set_sink(*this);
    lines_.lock()->clear();
    is_on_ = true;
  }
  std::vector<std::string> stop() {
    is_on_ = false;
    auto lines = lines_.lock();
    return *lines;
  }

 private:
  Guarded<std::vector<std::string>> lines_;
  std::atomic<bool> is_on_ = false;
};

/// Reads to the clip's end or to an error, lets go of it, and returns what was logged meanwhile.
std::vector<std::string> play_and_record(const Options& options) {
  Recorder::get().start();
  {
    SourceReader reader;
    const auto opened = reader.open(options);
    if (!opened || !*opened) throw std::runtime_error("the source cannot be opened");
    reader.start();
    std::uint64_t at = 0;
    for (;;) {
      const auto taken = reader.take(at, 1U << 20U);
      if (!taken || !*taken || (*taken)->bytes.empty()) break;
      at += (*taken)->bytes.size();
    }
  }
  // The source has left work to the I/O thread, in front of this.
  std::promise<void> done;
  http::IoThread::acquire()->post([&] { done.set_value(); });
  EXPECT_EQ(done.get_future().wait_for(longest_wait), std::future_status::ready);
  return Recorder::get().stop();
}

/// The parts occur, in this order, each in a line of its own.
void expect_story(const std::vector<std::string>& lines, const std::vector<std::string>& parts) {
  auto at = lines.begin();
  for (const auto& part : parts) {
    const auto found = std::find_if(at, lines.end(), [&](const std::string& line) {
      return line.find(part) != std::string::npos;
    });
    if (found == lines.end()) {
      ADD_FAILURE() << "no line, or none in its place, has: " << part << "\n"
                    << testing::PrintToString(lines);
      return;
    }
    at = std::next(found);
  }
}

void expect_no_secret(const std::vector<std::string>& lines, const Simulator& simulator) {
  for (const auto& line : lines) {
    EXPECT_THAT(line, Not(HasSubstr(simulator.key())));
    EXPECT_THAT(line, Not(HasSubstr("whose prompt")));
    EXPECT_THAT(line, Not(HasSubstr("signature")));
  }
}

TEST(LogStory, OfATaskThatIsPlayedAndKept) {
  const auto simulator =
      Simulator::start({"--generation-time", "0s", "--frames", "24", "--task-id", "task-one"});
  auto options = make_options(simulator, prompt);
  const auto lines = play_and_record(options);
  expect_no_secret(lines, simulator);
  expect_story(lines, {"veo-job debug: the API key comes from the property api-key",
                       "begins: a prompt of 29 bytes, mode fast, 720p, 40 credits",
                       "veo-ledger info: opened ",
                       ": claimed as row 1, reserved for 40 credits",
                       "veo-ledger info: row 1: becomes sending",
                       " POST " + simulator.api_url() + "/videos/generations, ",
                       "answer: HTTP 200",
                       ": the submission is accepted: task task-one",
                       "veo-job debug: task task-one: submitting -> waiting",
                       "veo-job debug: task task-one: query 1",
                       " GET " + simulator.api_url() + "/tasks/task-one",
                       "veo-job debug: task task-one: the service says completed",
                       "veo-ledger info: row 1: becomes completed",
                       "veo-job info: task task-one: is completed",
                       "veo-clip info: task task-one: download from " + simulator.files_url(),
                       "veo-clip debug: task task-one: fetch 1 (main): from byte 0 to the end",
                       ".mp4, bytes 0-",
                       "veo-clip debug: task task-one: fetch 1 is answered: HTTP 206",
                       "veo-clip debug: task task-one: downloading -> checking",
                       "veo-clip debug: task task-one: its boxes are complete",
                       "veo-clip info: task task-one: is kept, "});
  // The ledger's thread may be quicker than the thread that tells of the answer.
  expect_story(lines,
               {"answer: HTTP 200", "veo-ledger info: row 1: becomes accepted, task task-one",
                "veo-ledger info: row 1: becomes completed"});

  // The same again: the row is joined, and the clip comes from the cache.
  const auto again = play_and_record(options);
  expect_no_secret(again, simulator);
  expect_story(again, {": joins row 1, completed, task task-one",
                       "veo-job info: task task-one: is there already (completed): it is joined",
                       "veo-clip info: task task-one: is in the cache, "});
  for (const auto& line : again) EXPECT_THAT(line, Not(HasSubstr("veo-http")));
}

// The first two requests for the file are the main fetch and the fetch of the tail, in either
// order.
TEST(LogStory, OfARateLimitAndACutDownload) {
  const auto simulator = Simulator::start(
      {"--generation-time", "0s", "--frames", "24", "--task-id", "task-one", "--fault",
       "submit:error=rate_limit_exceeded,retry-after=0*1", "--fault", "file:truncate=1000*2"});
  const auto lines = play_and_record(make_options(simulator, prompt));
  expect_no_secret(lines, simulator);
  expect_story(lines, {"answer: HTTP 429", "veo-http warning: the API asks to slow down",
                       ": the submission is rate-limited: ",
                       "veo-ledger info: row 1: becomes reserved", ": submitting -> held",
                       ": trouble 1, tried again in ", "veo-ledger info: row 1: becomes accepted",
                       "veo-http warning: #", " ended after 1000 of ", "(main) is tried again in ",
                       "(main): from byte 1000 to the end", ", if unchanged",
                       "veo-clip info: task task-one: is kept, "});
}

TEST(LogStory, OfALostAnswer) {
  const auto simulator = Simulator::start({"--fault", "submit:lost-answer"});
  const auto lines = play_and_record(make_options(simulator, prompt));
  expect_no_secret(lines, simulator);
  expect_story(lines, {"veo-ledger info: row 1: becomes sending", " POST ", "veo-http warning: #",
                       ": the submission is unknown: ", "veo-ledger info: row 1: becomes unknown",
                       " GET " + simulator.api_url() + "/credits", "has failed: submit-unknown"});
}

std::string url_of_the_row(const std::string& path) {
  sqlite3* database = nullptr;
  std::string url;
  if (sqlite3_open_v2(path.c_str(), &database, SQLITE_OPEN_READONLY, nullptr) == SQLITE_OK) {
    sqlite3_exec(
        database, "SELECT url FROM submission",
        [](void* into, int, char** values, char**) {
          *static_cast<std::string*>(into) = values[0];
          return 0;
        },
        &url, nullptr);
  }
  sqlite3_close(database);
  return url;
}

// The query of the URL is its signature.
TEST(LogStory, OfASignedUrl) {
  auto simulator = Simulator::start({"--generation-time", "0s", "--frames", "24", "--task-id",
                                     "task-one", "--task-id", "task-two"});
  auto options = make_options(simulator, prompt);
  play_and_record(options);
  const auto url = url_of_the_row(simulator.ledger());
  ASSERT_THAT(url, testing::StartsWith(simulator.files_url()));
  simulator.set_faults({"query:url=" + url + "?signature=very-secret"});
  options.request.prompt += ", again";
  const auto lines = play_and_record(options);
  expect_no_secret(lines, simulator);
  expect_story(lines, {"veo-job info: task task-two: is completed",
                       "veo-clip info: task task-two: download from " + url, " GET " + url + "?…",
                       "veo-clip info: task task-two: is kept, "});
}

}  // namespace
}  // namespace veo::test
