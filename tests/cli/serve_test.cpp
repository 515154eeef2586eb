// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `veo serve` with players, and with requests that it must refuse.
#include <gmock/gmock.h>
#include <gst/gst.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "sha256.h"
#include "shell.h"

namespace veo::test {
namespace {

using testing::AnyOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class Serve : public testing::Test {
 protected:
  Serve() : simulator_(Simulator::start({"--generation-time", "0s", "--frames", "96"})) {}

  /// Starts `veo serve` with this environment and these arguments, and waits for its address.
  void serve(std::map<std::string, std::string> environment = {},
             const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments{"serve"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    auto settings = shell_.settings(arguments);
    settings.env.merge(environment);
    running_.emplace(settings);
    ASSERT_TRUE(running_->wait_for("Serving")) << running_->errors();
    url_ = running_->output();
    ASSERT_THAT(url_, EndsWith("/\n"));
    url_.pop_back();
  }
  /// Interrupts the server, as its user does.
  Program::Ended end() {
    running_->kill(SIGINT);
    return running_->wait();
  }
  /// Generates a clip, and writes its file with moov first to dog.mp4. Returns the task id.
  std::string make_clip() {
    EXPECT_EQ(shell_.sh("veo generate 'a dog' -o - -q > dog.mp4").exit_code, 0);
    return simulator_.state().at("tasks").at(0).at("id");
  }
  /// Requests something with curl. Returns the status first, and then the head of the answer.
  [[nodiscard]] Program::Ended curl(const std::string& arguments) const {
    return shell_.sh("curl -s -D head -o body -w '%{http_code}' " + arguments + "; cat head");
  }

  /// Returns the ETag of the URL, with its quotes.
  [[nodiscard]] std::string etag_of(const std::string& url) const {
    return shell_.sh("curl -sI " + url + " | sed -n 's/^ETag: //p' | tr -d '\\r\\n'").output;
  }

  Simulator simulator_;
  Shell shell_{simulator_};
  std::optional<Program> running_;
  std::string url_;
};

TEST_F(Serve, PlaysATaskInFfmpeg) {
  const auto id = make_clip();
  serve();
  EXPECT_THAT(url_, StartsWith("http://127.0.0.1:"));
  const std::string md5 = " -map 0 -f framemd5 - ";
  const auto seen = shell_.sh("ffmpeg -v error -i " + url_ + "task/" + id + md5);
  EXPECT_EQ(seen.output, shell_.sh("ffmpeg -v error -i dog.mp4" + md5).output) << seen;
  EXPECT_THAT(seen.output, HasSubstr("0,         95,"));
  // FFmpeg can seek in the served clip.
  const auto from = shell_.sh("ffmpeg -v error -ss 2 -i " + url_ + "task/" + id + md5);
  EXPECT_EQ(from.output, shell_.sh("ffmpeg -v error -ss 2 -i dog.mp4" + md5).output) << from;
  EXPECT_EQ(end().exit_code, 0);
  EXPECT_EQ(simulator_.state().at("charges"), 1);
}

struct Shown {
  GstClockTime pts = GST_CLOCK_TIME_NONE;
  std::string sha256;
};

/// Returns the picture that the source shows after a seek.
Shown picture_at(const std::string& source, GstClockTime time) {
  std::unique_ptr<GstElement, decltype(&gst_object_unref)> pipeline(
      gst_parse_launch((source + " ! decodebin ! video/x-raw ! fakesink name=sink sync=false "
                                 "enable-last-sample=true")
                           .c_str(),
                       nullptr),
      [](gpointer object) {
        gst_element_set_state(GST_ELEMENT(object), GST_STATE_NULL);
        gst_object_unref(object);
      });
  const auto settled = [&pipeline] {
    return gst_element_get_state(pipeline.get(), nullptr, nullptr, 20 * GST_SECOND) ==
           GST_STATE_CHANGE_SUCCESS;
  };
  gst_element_set_state(pipeline.get(), GST_STATE_PAUSED);
  EXPECT_TRUE(settled()) << source;
  EXPECT_TRUE(gst_element_seek_simple(
      pipeline.get(), GST_FORMAT_TIME,
      static_cast<GstSeekFlags>(GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE),
      static_cast<gint64>(time)))
      << source;
  EXPECT_TRUE(settled()) << source;
  const std::unique_ptr<GstElement, decltype(&gst_object_unref)> sink(
      gst_bin_get_by_name(GST_BIN(pipeline.get()), "sink"), gst_object_unref);
  GstSample* raw = nullptr;
  g_object_get(sink.get(), "last-sample", &raw, nullptr);
  if (raw == nullptr) return {};
  const std::unique_ptr<GstSample, decltype(&gst_sample_unref)> sample(raw, gst_sample_unref);
  auto* const buffer = gst_sample_get_buffer(sample.get());
  GstMapInfo map;
  gst_buffer_map(buffer, &map, GST_MAP_READ);
  Shown shown{.pts = GST_BUFFER_PTS(buffer),
              .sha256 = sha256({reinterpret_cast<const char*>(map.data), map.size})};
  gst_buffer_unmap(buffer, &map);
  return shown;
}

TEST_F(Serve, LetsSouphttpsrcSeek) {
  const auto id = make_clip();
  serve();
  gst_init(nullptr, nullptr);
  const auto here = picture_at("filesrc location=" + shell_.file("dog.mp4"), 3 * GST_SECOND);
  const auto there = picture_at("souphttpsrc location=" + url_ + "task/" + id, 3 * GST_SECOND);
  EXPECT_EQ(there.pts, here.pts);
  EXPECT_EQ(there.sha256, here.sha256);
  EXPECT_GE(there.pts, 3 * GST_SECOND);
}

TEST_F(Serve, SpendsAsFarAsTheBudgetOfUrisGoes) {
  serve({{"VEO_URI_BUDGET", "40"}});
  const auto first = curl(url_ + "clip?prompt=a%20cat");
  EXPECT_THAT(first.output, StartsWith("200"));
  EXPECT_EQ(sha256(shell_.contents("body")), [&] {
    EXPECT_EQ(
        shell_
            .sh("veo download " + simulator_.state().at("tasks").at(0).at("id").get<std::string>() +
                " -o - -q > cat.mp4")
            .exit_code,
        0);
    return sha256(shell_.contents("cat.mp4"));
  }());
  EXPECT_EQ(simulator_.state().at("tasks").at(0).at("prompt"), "a cat");
  EXPECT_THAT(curl(url_ + "clip?prompt=a%20cat").output, StartsWith("200")) << "is there";
  EXPECT_THAT(curl(url_ + "clip?prompt=another").output, StartsWith("402"));
  EXPECT_THAT(shell_.contents("body"), HasSubstr("VEO_URI_BUDGET"));
  EXPECT_EQ(simulator_.state().at("charges"), 1);
}

TEST_F(Serve, RefusesAUriThatIsTooLong) {
  serve({{"VEO_URI_BUDGET", "40"}});
  EXPECT_THAT(curl(url_ + "clip?prompt=x&image-urls=" + std::string(28'000, 'a')).output,
              Not(StartsWith("2")));
  EXPECT_EQ(simulator_.state().at("charges"), 0);
  EXPECT_EQ(end().exit_code, 0) << "the server goes on until it is interrupted";
}

TEST_F(Serve, SpendsNothingWithoutABudget) {
  serve();
  EXPECT_THAT(curl(url_ + "clip?prompt=a%20cat").output, StartsWith("402"));
  EXPECT_EQ(simulator_.state().at("submissions"), 0);
}

TEST_F(Serve, ADownloadDoesNotResumeWithOtherTags) {
  const auto id = make_clip();
  serve();
  const auto etag = etag_of(url_ + "task/" + id);
  end();
  // Another ledger does not know when the task was submitted, so its file has no date.
  serve({}, {"--ledger=" + shell_.file("other.db")});
  const auto other = url_ + "task/" + id;
  EXPECT_NE(etag_of(other), etag);
  const auto answer = curl("-H 'Range: bytes=1000-' -H 'If-Range: " + etag + "' " + other);
  EXPECT_THAT(answer.output, StartsWith("200"));
  EXPECT_NE(shell_.contents("body"), shell_.contents("dog.mp4"));
}

TEST_F(Serve, AnswersRangesAsRfc9110Says) {
  const auto id = make_clip();
  serve();
  const auto file = shell_.contents("dog.mp4");
  const auto url = url_ + "task/" + id;
  const auto size = std::to_string(file.size());
  const auto etag = etag_of(url);
  EXPECT_THAT(etag, StartsWith("\"" + id));
  struct Case {
    std::string arguments;
    std::string status;
    std::size_t first;
    std::size_t end;
  };
  const Case cases[] = {
      {"", "200", 0, file.size()},
      {"-H 'Range: bytes=100-199'", "206", 100, 200},
      {"-H 'Range: bytes=100-'", "206", 100, file.size()},
      {"-H 'Range: bytes=-10'", "206", file.size() - 10, file.size()},
      {"-H 'Range: bytes=0-99999999'", "206", 0, file.size()},
      {"-H 'Range: bytes=0-0' -H 'If-Range: " + etag + "'", "206", 0, 1},
      {"-H 'Range: bytes=0-0' -H 'If-Range: \"other\"'", "200", 0, file.size()},
      {"-H 'Range: bytes=0-0,5-6'", "200", 0, file.size()},
      {"-H 'Range: bytes=9-3'", "200", 0, file.size()},
      {"-H 'Range: lines=1-2'", "200", 0, file.size()},
  };
  for (const auto& one : cases) {
    const auto answer = curl(one.arguments + " " + url);
    EXPECT_THAT(answer.output, StartsWith(one.status)) << one.arguments;
    EXPECT_THAT(answer.output, HasSubstr("Content-Type: video/mp4"));
    EXPECT_THAT(answer.output, HasSubstr("ETag: " + etag));
    EXPECT_EQ(shell_.contents("body"), file.substr(one.first, one.end - one.first))
        << one.arguments;
    if (one.status != "206") continue;
    EXPECT_THAT(answer.output, HasSubstr("Content-Range: bytes " + std::to_string(one.first) + "-" +
                                         std::to_string(one.end - 1) + "/" + size));
  }
  for (const auto& range : {"bytes=" + size + "-", std::string("bytes=-0")}) {
    const auto answer = curl("-H 'Range: " + range + "' " + url);
    EXPECT_THAT(answer.output, StartsWith("416")) << range;
    EXPECT_THAT(answer.output, HasSubstr("Content-Range: bytes */" + size));
  }
  const auto head = shell_.sh("curl -sI " + url);
  EXPECT_THAT(head.output, HasSubstr("Content-Length: " + size));
  EXPECT_THAT(head.output, HasSubstr("Accept-Ranges: bytes"));
  EXPECT_EQ(simulator_.state().at("file_requests").get<int>() > 0, true);
  EXPECT_EQ(simulator_.state().at("charges"), 1);
}

// Requests from another user of the machine, from a web page in a browser, and through a name that
// was rebound to loopback.
TEST_F(Serve, RefusesStrangersAndSpendsNothing) {
  serve({{"VEO_URI_BUDGET", "400"}}, {"--token", "a-secret-of-enough-letters"});
  EXPECT_THAT(url_, HasSubstr("/a-secret-of-enough-letters/"));
  const auto root = url_.substr(0, url_.find('/', 8));
  const std::string clip = "clip?prompt=x";
  const std::pair<std::string, std::string> strangers[] = {
      {root + "/" + clip, "404"},
      {root + "/a-secret-of-enough-letterz/" + clip, "404"},
      {root, "404"},
      {"-H 'Host: evil.example' " + url_ + clip, "421"},
      {"-H 'Origin: https://evil.example' " + url_ + clip, "403"},
      {"-H 'Sec-Fetch-Site: cross-site' " + url_ + clip, "403"},
      {"-X POST -d x " + url_ + clip, "405"},
      {"-X DELETE " + url_ + clip, "405"},
      {"'" + url_ + clip + "&api-url=http://127.0.0.1:1/'", "400"},
      {"'" + url_ + clip + "&mode=slow'", "400"},
      {"'" + url_ + clip + "&prompt=y'", "400"},
      {"--path-as-is " + url_ + "task/../x", "400"},
      {url_ + "else", "400"},
      {url_ + "task/unknown", "404"},
  };
  for (const auto& [arguments, status] : strangers) {
    EXPECT_THAT(curl(arguments).output, StartsWith(status)) << arguments;
  }
  EXPECT_EQ(simulator_.state().at("submissions"), 0);
  EXPECT_EQ(end().exit_code, 0);
}

TEST_F(Serve, ListensOnLoopbackAlone) {
  for (const auto* const address : {"0.0.0.0", "192.0.2.1", "example.com", "::"}) {
    const auto refused = shell_.veo({"serve", "--address", address});
    EXPECT_EQ(refused.exit_code, 2) << address;
    EXPECT_THAT(refused.errors, HasSubstr("loopback"));
  }
  EXPECT_EQ(shell_.veo({"serve", "--token", "short"}).exit_code, 2);
}

TEST_F(Serve, EndsAtOnceThoughPlayersWait) {
  simulator_.set_faults({"task:slow=1h"});
  serve({{"VEO_URI_BUDGET", "400"}});
  Program waiting({.args = {"/usr/bin/curl", "-s", "-o", "/dev/null", "-w", "%{http_code}",
                            url_ + "clip?prompt=x"},
                   .env = {},
                   .directory = ""});
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (simulator_.state().at("charges") == 0) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
  }
  EXPECT_EQ(end().exit_code, 0);
  EXPECT_THAT(waiting.wait().output, AnyOf("503", "000"));
}

/// A connection to the server that sends what the test says, and reads nothing.
class SilentPeer {
 public:
  SilentPeer(std::uint16_t port, const std::string& text) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) close();
    if (fd_ >= 0 && !text.empty() &&
        ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size())) {
      close();
    }
  }
  SilentPeer(SilentPeer&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  SilentPeer& operator=(SilentPeer&&) = delete;
  ~SilentPeer() { close(); }

  [[nodiscard]] bool is_open() const { return fd_ >= 0; }
  /// Waits until the server closes the connection. False: it has not done so within 30 s.
  [[nodiscard]] bool wait_for_close() const {
    pollfd closed{fd_, POLLIN, 0};
    return ::poll(&closed, 1, 30'000) == 1;
  }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
};

std::uint16_t port_of(const std::string& url) {
  return static_cast<std::uint16_t>(std::stoi(url.substr(url.find(':', 6) + 1)));
}

class SilentPeers : public Serve, public testing::WithParamInterface<std::size_t> {};

TEST_P(SilentPeers, KeepNobodyOut) {
  const auto id = make_clip();
  serve();
  std::vector<SilentPeer> peers;
  for (std::size_t i = 0; i < GetParam(); ++i) {
    // Half of them send a part of a request.
    peers.emplace_back(port_of(url_), i % 2 == 0 ? "" : "GET / HTTP/1.1\r\nHost: ");
    ASSERT_TRUE(peers.back().is_open()) << i;
  }
  EXPECT_THAT(curl("-m 4 " + url_ + "task/" + id).output, StartsWith("200"));
  EXPECT_EQ(sha256(shell_.contents("body")), sha256(shell_.contents("dog.mp4")));
  EXPECT_TRUE(peers.front().wait_for_close());
  EXPECT_TRUE(peers.back().wait_for_close());
  EXPECT_EQ(end().exit_code, 0);
}

INSTANTIATE_TEST_SUITE_P(Numbers, SilentPeers, testing::Values(64, 300, 700));

TEST_F(Serve, APlayerThatDropsAndRetriesKeepsNobodyOut) {
  const auto id = make_clip();
  simulator_.set_faults({"task:slow=1h"});
  serve({{"VEO_URI_BUDGET", "400"}});
  const auto path = url_.substr(url_.find('/', 8));
  const auto request =
      "GET " + path + "clip?prompt=x HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port_of(url_)) +
      "\r\n\r\n";
  for (int i = 0; i < 100; ++i) {
    SilentPeer player(port_of(url_), request);
    ASSERT_TRUE(player.is_open()) << i;
  }
  // The server notices each player that has gone.
  const auto count_gone = [this] {
    const auto log = running_->errors();
    int gone = 0;
    for (auto at = log.find("has gone"); at != std::string::npos;
         at = log.find("has gone", at + 1)) {
      ++gone;
    }
    return gone;
  };
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (count_gone() < 100) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << running_->errors();
    std::this_thread::yield();
  }
  EXPECT_THAT(curl("-m 10 -I " + url_ + "task/" + id).output, StartsWith("200"));
  EXPECT_THAT(curl("-m 10 -H 'Range: bytes=0-9' " + url_ + "task/" + id).output, StartsWith("206"));
  EXPECT_EQ(end().exit_code, 0);
  EXPECT_LE(simulator_.state().at("charges").get<int>(), 2) << "the request was paid twice";
}

TEST_F(Serve, ManyWaitingPlayersKeepNobodyOut) {
  const auto id = make_clip();
  simulator_.set_faults({"task:slow=1h"});
  serve({{"VEO_URI_BUDGET", "400"}});
  const auto path = url_.substr(url_.find('/', 8));
  const auto request =
      "GET " + path + "clip?prompt=x HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port_of(url_)) +
      "\r\n\r\n";
  std::vector<SilentPeer> players;
  for (int i = 0; i < 200; ++i) {
    players.emplace_back(port_of(url_), request);
    ASSERT_TRUE(players.back().is_open()) << i;
  }
  EXPECT_THAT(curl("-m 10 -I " + url_ + "task/" + id).output, StartsWith("200"));
  EXPECT_THAT(curl("-m 10 -H 'Range: bytes=0-9' " + url_ + "task/" + id).output, StartsWith("206"));
  EXPECT_EQ(end().exit_code, 0);
}

}  // namespace
}  // namespace veo::test
