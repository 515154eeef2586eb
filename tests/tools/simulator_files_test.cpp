// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The simulator's file host: bytes, ranges, validators and bandwidth.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <thread>

#include "service.h"
#include "sha256.h"

namespace veo::test {
namespace {

using Seconds = std::chrono::duration<double>;
using Clock = std::chrono::steady_clock;

/// Returns 100,000 bytes in which no two parts are equal.
std::string make_file_content() {
  std::string content;
  while (content.size() < 100'000) content += std::to_string(content.size()) + ",";
  content.resize(100'000);
  return content;
}

class SimulatorFiles : public testing::Test {
 protected:
  Service start(std::vector<std::string> args = {}) {
    args.insert(args.end(), {"--clip", file_.path(), "--generation-time", "0s"});
    return Service(args);
  }

  const std::string content_ = make_file_content();
  const TemporaryFile file_{"file.mp4", content_};
};

TEST_F(SimulatorFiles, ServesTheGivenClipByteForByte) {
  const auto service = start();
  const auto answer = http_request("GET", service.create_file());
  EXPECT_EQ(answer.status, 200U);
  EXPECT_TRUE(answer.complete);
  EXPECT_EQ(answer.body, content_);
  EXPECT_EQ(answer.header("Content-Type"), "video/mp4");
  EXPECT_EQ(answer.header("Content-Length"), "100000");
  EXPECT_EQ(answer.header("Accept-Ranges"), "bytes");
  const auto task = service.simulator.state().at("tasks").at(0);
  EXPECT_EQ(task.at("sha256"), sha256(content_));
  EXPECT_EQ(task.at("size"), 100'000);
}

TEST_F(SimulatorFiles, AnswersHeadWithoutABody) {
  const auto service = start();
  const auto url = service.create_file();
  const auto answer = http_request("HEAD", url);
  EXPECT_EQ(answer.status, 200U);
  EXPECT_TRUE(answer.complete);
  EXPECT_EQ(answer.body, "");
  EXPECT_EQ(answer.header("Content-Length"), "100000");
  EXPECT_EQ(http_request("POST", url).status, 405U);
}

TEST_F(SimulatorFiles, HasOnlyCompletedTasksFiles) {
  const auto service = start({"--fault", "task:slow=1h@2"});
  auto url = service.create_file();
  EXPECT_EQ(http_request("GET", url + "x").status, 404U);
  auto id = service.create();
  std::erase(id, '-');
  url.replace(url.rfind('/') + 1, id.size(), id);
  EXPECT_EQ(http_request("GET", url).status, 404U);
}

TEST_F(SimulatorFiles, LogsTheHeadersOfARequest) {
  const auto service = start();
  http_request("GET", service.create_file(), {{"X-Other", "1"}, {"X-Other", "2"}});
  const auto entry = service.simulator.log().back();
  EXPECT_EQ(entry.at("listener"), "files");
  EXPECT_FALSE(entry.at("headers").contains("Authorization"));
  EXPECT_EQ(entry.at("headers").at("X-Other"), (Json{"1", "2"}));
  EXPECT_EQ(entry.at("body_sent"), 100'000);
}

struct RangeCase {
  const char* name;
  const char* range;
  unsigned status;
  const char* content_range;  ///< null if the answer has no such header
  std::size_t first;
  std::size_t size;
};
void PrintTo(const RangeCase& one, std::ostream* out) { *out << one.name; }
class Ranges : public SimulatorFiles, public testing::WithParamInterface<RangeCase> {};

TEST_P(Ranges, AreServedAsAsked) {
  const auto service = start();
  const auto& one = GetParam();
  const auto answer = http_request("GET", service.create_file(), {{"Range", one.range}});
  EXPECT_EQ(answer.status, one.status);
  EXPECT_EQ(answer.header("Content-Range"), one.content_range == nullptr
                                                ? std::nullopt
                                                : std::optional<std::string>(one.content_range));
  if (one.status == 416) return;
  EXPECT_EQ(answer.body, content_.substr(one.first, one.size));
}

INSTANTIATE_TEST_SUITE_P(
    Forms, Ranges,
    testing::Values(
        RangeCase{"first_byte", "bytes=0-0", 206, "bytes 0-0/100000", 0, 1},
        RangeCase{"middle", "bytes=500-999", 206, "bytes 500-999/100000", 500, 500},
        RangeCase{"open", "bytes=99990-", 206, "bytes 99990-99999/100000", 99990, 10},
        RangeCase{"past_the_end", "bytes=99990-200000", 206, "bytes 99990-99999/100000", 99990, 10},
        RangeCase{"huge_end", "bytes=99990-99999999999999999999", 206, "bytes 99990-99999/100000",
                  99990, 10},
        RangeCase{"suffix", "bytes=-7", 206, "bytes 99993-99999/100000", 99993, 7},
        RangeCase{"whole_suffix", "bytes=-200000", 206, "bytes 0-99999/100000", 0, 100'000},
        RangeCase{"beyond", "bytes=100000-", 416, "bytes */100000", 0, 0},
        RangeCase{"empty_suffix", "bytes=-0", 416, "bytes */100000", 0, 0},
        RangeCase{"backwards", "bytes=9-3", 200, nullptr, 0, 100'000},
        RangeCase{"several", "bytes=0-1,5-6", 200, nullptr, 0, 100'000},
        RangeCase{"other_unit", "lines=0-1", 200, nullptr, 0, 100'000}),
    [](const auto& test) { return test.param.name; });

TEST_F(SimulatorFiles, IfRangeHoldsForStrongValidatorsOnly) {
  for (const auto* kind : {"strong", "weak", "none"}) {
    const auto service = start({"--etag", kind});
    const auto url = service.create_file();
    const auto head = http_request("HEAD", url);
    const bool strong = std::string(kind) == "strong";
    EXPECT_EQ(head.header("ETag").has_value(), std::string(kind) != "none");
    EXPECT_EQ(head.header("Last-Modified").has_value(), strong);
    const auto status = [&](const std::string& condition) {
      return http_request("GET", url, {{"Range", "bytes=10-"}, {"If-Range", condition}}).status;
    };
    if (head.header("ETag")) {
      EXPECT_EQ(status(*head.header("ETag")), strong ? 206U : 200U);
    }
    if (strong) {
      EXPECT_EQ(status(*head.header("Last-Modified")), 206U);
    }
    EXPECT_EQ(status("\"another\""), 200U);
  }
}

TEST_F(SimulatorFiles, CanDoWithoutRanges) {
  const auto service = start({"--no-ranges"});
  const auto answer = http_request("GET", service.create_file(), {{"Range", "bytes=5-"}});
  EXPECT_EQ(answer.status, 200U);
  EXPECT_EQ(answer.body, content_);
  EXPECT_FALSE(answer.header("Accept-Ranges"));
}

TEST_F(SimulatorFiles, KeepsConnections) {
  const auto service = start();
  const auto url = service.create_file();
  const auto target = url.substr(service.simulator.files_url().size());
  HttpConnection connection(url);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(connection.request("GET", target).body, content_);
  EXPECT_EQ(service.simulator.state().at("connections").at("files"),
            (Json{{"total", 1}, {"open", 1}}));
  EXPECT_EQ(service.simulator.state().at("file_requests"), 3);
}

// Check only lower limits of time: a loaded machine is slower, never faster.
TEST_F(SimulatorFiles, SharesTheBandwidthAmongConnections) {
  const auto service = start({"--bandwidth", "400k"});
  const auto url = service.create_file();
  std::array<Seconds, 2> times{};
  const auto begin = Clock::now();
  {
    std::vector<std::jthread> threads;
    for (auto& time : times) {
      threads.emplace_back([&] {
        EXPECT_EQ(http_request("GET", url).body, content_);
        time = Clock::now() - begin;
      });
    }
  }
  // The link carries 200,000 bytes at 400,000 bytes per second, and may send 10 ms of them at once
  // at the start. Neither connection has to wait for the other one.
  EXPECT_GE(std::max(times[0], times[1]), Seconds(0.48));
  EXPECT_GE(std::min(times[0], times[1]), Seconds(0.3));
}

TEST_F(SimulatorFiles, AddsLatencyBothWays) {
  const auto service = start({"--latency", "50ms"});
  const auto url = service.create_file();
  const auto begin = Clock::now();
  EXPECT_EQ(http_request("HEAD", url).status, 200U);
  EXPECT_GE(Clock::now() - begin, std::chrono::milliseconds(100));
}

}  // namespace
}  // namespace veo::test
