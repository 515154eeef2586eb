// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A process is stopped (SIGSTOP, a paused container, a debugger) for longer than its timeouts, and
// the answer comes meanwhile. On waking, the answer is in the socket, and the timeouts are due.
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <future>
#include <iterator>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <thread>

#include "../loopback/raw_server.h"
#include "program.h"
#include "run.h"

namespace veo::test {
namespace {

using namespace std::chrono_literals;

/// A phase of a run, in which the process is stopped.
struct Phase {
  std::promise<void> asked;
  std::promise<void> stopped;
  std::promise<void> answered;
  std::shared_future<void> is_stopped = stopped.get_future().share();
  std::once_flag once;
  std::once_flag answered_once;
  std::atomic<unsigned> requests{0};
};

/// The service and its file host. Each phase's first request is answered while the process is
/// stopped.
class StoppingService {
 public:
  explicit StoppingService(bool is_tls) : is_tls_(is_tls) {
    std::ifstream file(small_clip().path, std::ios::binary);
    clip_.assign(std::istreambuf_iterator<char>(file), {});
  }

  [[nodiscard]] std::string url(std::string_view path) const {
    return server_.url(path, is_tls_ ? "https" : "http");
  }
  [[nodiscard]] std::string certificate() const { return identity_.file(); }

  Phase post;
  Phase query;
  Phase download;

 private:
  void serve(RawConnection& connection) {
    if (is_tls_ && !connection.start_tls(identity_.certificate())) return;
    for (;;) {
      const auto request = connection.read_request();
      if (request.empty()) return;
      if (request.starts_with("POST ")) {
        answer(connection, post, R"({"code":200,"data":{"taskId":"t-1"}})");
      } else if (request.starts_with("GET /v1/tasks/")) {
        answer(connection, query,
               R"({"id":"t-1","status":"completed","output":{"urls":[")" + url("/clip.mp4") +
                   R"("]}})");
      } else {
        answer(connection, download, clip_);
      }
    }
  }
  static void answer(RawConnection& connection, Phase& phase, const std::string& body) {
    ++phase.requests;
    std::call_once(phase.once, [&] { phase.asked.set_value(); });
    phase.is_stopped.wait();
    // The socket's buffers take the beginning only, if the body is large.
    std::call_once(phase.answered_once, [&] { phase.answered.set_value(); });
    connection.write(http_answer("200 OK", body));
  }

  const bool is_tls_;
  const TlsIdentity identity_{"127.0.0.1"};
  std::string clip_;
  const RawServer server_{[this](RawConnection& connection) { serve(connection); }};
};

void stop_in(Phase& phase, const Program& program, std::chrono::seconds time) {
  ASSERT_EQ(phase.asked.get_future().wait_for(60s), std::future_status::ready)
      << program.errors() << program.output();
  program.stop();
  phase.stopped.set_value();
  phase.answered.get_future().wait();
  std::this_thread::sleep_for(time);  // the time itself is what the test is about
  program.kill(SIGCONT);
}

void run(bool is_tls) {
  SCOPED_TRACE(is_tls ? "https" : "http");
  StoppingService service(is_tls);
  const TemporaryDirectory home;
  Program program({.args = {std::getenv("VEO_RUN"), "prompt=a dog", "layout=original",
                            "poll-interval=5", "api-url=" + service.url("/v1"), "api-key=sk-test-1",
                            "ledger=" + home.file("ledger.db"), "cache-dir=" + home.file("cache"),
                            "ssl-ca-file=" + service.certificate(), "timeout=1", "retries=0"},
                   .env = {},
                   .directory = {}});
  // The deadline of a POST is 60 s.
  stop_in(service.post, program, 63s);
  stop_in(service.query, program, 3s);
  stop_in(service.download, program, 3s);
  const auto ended = program.wait();
  const auto report = nlohmann::json::parse(ended.output, nullptr, false);
  ASSERT_TRUE(report.is_object()) << ended;
  EXPECT_TRUE(report.at("eos").get<bool>()) << ended;
  EXPECT_EQ(report.at("sha256"), small_clip().sha256) << ended;
  EXPECT_EQ(report.at("task-id"), "t-1");
  EXPECT_EQ(service.post.requests, 1U);
  EXPECT_EQ(service.query.requests, 1U);
}

TEST(Stopped, LongerThanAllDeadlinesTheProcessReadsWhatHasCome) {
  small_clip();  // made before the two runs share it
  auto plain = std::async(std::launch::async, [] { run(false); });
  run(true);
  plain.get();
}

}  // namespace
}  // namespace veo::test
