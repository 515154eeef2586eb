// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Clips from file hosts that break each download at the same place. Only a byte beyond the furthest
// one is progress, so these downloads end after `retries` with an error.
#include "veo/clip/clip.h"

#include <glib.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "command.h"
#include "http_client.h"
#include "program.h"
#include "raw_server.h"
#include "simulated_options.h"
#include "simulator.h"
#include "veo/source/source_reader.h"

namespace veo::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr int retries = 2;

/// What became of a download.
struct Outcome {
  std::optional<Error> error;
  std::string bytes;
};

Outcome play(Options options) {
  SourceReader reader;
  const auto opened = reader.open(std::move(options));
  if (!opened || !*opened) return {.error = opened->error(), .bytes = {}};
  reader.start();
  Outcome outcome;
  for (;;) {
    const auto piece = reader.take(outcome.bytes.size(), 100'000);
    if (!*piece) {
      outcome.error = piece->error();
      return outcome;
    }
    if ((*piece)->bytes.empty()) return outcome;
    outcome.bytes.append((*piece)->bytes.begin(), (*piece)->bytes.end());
  }
}

class BrokenHost : public testing::Test {
 protected:
  /// The bytes of a clip, as the simulator delivers it.
  const std::string& file() {
    if (file_.empty()) {
      auto options = make_options(simulator_, "another dog");
      options.layout = LayoutMode::original;
      file_ = play(options).bytes;
      kept_before_ = count_kept();
      EXPECT_GT(file_.size(), 40'000U);
    }
    return file_;
  }

  /// Plays a clip that this server delivers.
  Outcome play_from(const RawServer& server) { return play_from(server.url("/clip.mp4")); }
  Outcome play_from(const std::string& url, LayoutMode layout = LayoutMode::original) {
    simulator_.set_faults({"query:url=" + url});
    auto options = make_options(simulator_);
    options.layout = layout;
    options.take = take_;
    options.network.retries = retries;
    return play(std::move(options));
  }

  /// Plays a clip that the script delivers, in both layouts, and expects that the download gives
  /// up.
  void expect_to_give_up(RawServer::Script script, const std::vector<ErrorCode>& codes) {
    for (const auto layout : {LayoutMode::original, LayoutMode::streamable}) {
      const RawServer server(script);
      const auto outcome = play_from(server.url("/clip.mp4"), layout);
      forget();
      ASSERT_TRUE(outcome.error) << outcome.bytes.size() << " bytes were taken for a clip";
      EXPECT_THAT(codes, testing::Contains(outcome.error->code)) << outcome.error->message;
      EXPECT_EQ(outcome.error->charged, Charged::unknown);
      EXPECT_THAT(outcome.error->message, HasSubstr("is complete and paid"));
      EXPECT_LE(server.requests().size(), std::size_t{2 * retries + 3});
    }
  }

  /// Counts the clips in the cache.
  [[nodiscard]] std::ptrdiff_t count_kept() const {
    const auto is_clip = [](const auto& entry) { return entry.path().extension() == ".mp4"; };
    return std::ranges::count_if(std::filesystem::directory_iterator(simulator_.cache()), is_clip);
  }
  /// The next clip is another task.
  void forget() { ++take_; }

  std::ptrdiff_t kept_before_ = 0;  // clips in the cache, with file() alone

 private:
  std::uint32_t take_ = 1;
  Simulator simulator_ = Simulator::start({"--generation-time", "0s", "--frames", "48"});
  std::string file_;
};

std::string chunk(std::string_view bytes) {
  char size[20];
  std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
  return size + std::string(bytes) + "\r\n";
}

TEST_F(BrokenHost, AChunkedBodyThatIsCutInMidChunk) {
  const auto part = file().substr(0, 30'000);
  expect_to_give_up(
      [&](RawConnection& connection) {
        connection.read_request();
        connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
                         chunk(part.substr(0, 20'000)) + "4000\r\n" + part.substr(20'000));
      },
      {ErrorCode::network});
}

TEST_F(BrokenHost, AChunkedBodyThatIsResetInMidChunk) {
  const auto part = file().substr(0, 30'000);
  expect_to_give_up(
      [&](RawConnection& connection) {
        connection.read_request();
        connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
                         chunk(part.substr(0, 20'000)) + "4000\r\n" + part.substr(20'000));
        connection.reset();
      },
      {ErrorCode::network});
}

TEST_F(BrokenHost, ABodyWithoutALengthThatEndsWithAReset) {
  const auto all = file();
  expect_to_give_up(
      [&](RawConnection& connection) {
        connection.read_request();
        connection.write("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + all);
        connection.reset();
      },
      {ErrorCode::network});
}

/// While it exists, a CRITICAL of GLib is only printed, although G_DEBUG=fatal-criticals is set.
class CriticalsDoNotAbort {
 public:
  CriticalsDoNotAbort() : before_(g_log_set_always_fatal(G_LOG_LEVEL_ERROR)) {}
  ~CriticalsDoNotAbort() { g_log_set_always_fatal(before_); }
  CriticalsDoNotAbort(const CriticalsDoNotAbort&) = delete;
  CriticalsDoNotAbort& operator=(const CriticalsDoNotAbort&) = delete;

 private:
  const GLogLevelFlags before_;
};

TEST_F(BrokenHost, ALengthThatIsNoNumberOfBytes) {
  const auto all = file();
  // libsoup 3.6 passes a length below -1 on to a property that refuses it with a CRITICAL, before
  // it tells anybody of the length.
  const CriticalsDoNotAbort criticals;
  for (const auto* const length :
       {"99999999999999999999", "18446744073709551616", "9223372036854775808", "-1", "-5"}) {
    SCOPED_TRACE(length);
    expect_to_give_up(
        [&](RawConnection& connection) {
          connection.read_request();
          connection.write("HTTP/1.1 200 OK\r\nContent-Length: " + std::string(length) +
                           "\r\n\r\n" + all);
        },
        {ErrorCode::bad_response});
    forget();
  }
}

TEST_F(BrokenHost, ALengthThatIsGreaterThanTheBody) {
  const auto all = file();
  expect_to_give_up(
      [&](RawConnection& connection) {
        connection.read_request();
        connection.write("HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n" + all);
      },
      // A reader that has used bytes cannot use those of an answer that begins anew.
      {ErrorCode::network, ErrorCode::bad_response});
}

// A host that leaves the file's size open is answered well, too.
TEST_F(BrokenHost, PartsOfAFileOfAnUnknownSizePlay) {
  const auto all = file();
  for (const std::size_t longest : {all.size(), std::size_t{30'000}}) {
    SCOPED_TRACE(longest);
    const RawServer server([&](RawConnection& connection) {
      for (;;) {
        const auto request = connection.read_request();
        if (request.empty()) return;
        const auto range = header_value(request, "range");
        if (!range.starts_with("bytes=") || range[6] == '-') {
          connection.write(http_answer("416 Range Not Satisfiable", ""));
          continue;
        }
        const auto first = std::stoul(range.substr(6));
        if (first >= all.size()) {
          connection.write(http_answer("416 Range Not Satisfiable", ""));
          continue;
        }
        const auto part = all.substr(first, longest);
        connection.write(http_answer("206 Partial Content", part,
                                     "ETag: \"v1\"\r\nContent-Range: bytes " +
                                         std::to_string(first) + "-" +
                                         std::to_string(first + part.size() - 1) + "/*\r\n"));
      }
    });
    const auto outcome = play_from(server);
    EXPECT_FALSE(outcome.error) << outcome.error->message;
    EXPECT_TRUE(outcome.bytes == all);
    forget();
  }
}

// Each answer brings one byte, so there is progress, but there is no end.
TEST_F(BrokenHost, PartsOfOneByteAreGivenUp) {
  const auto all = file();
  const RawServer server([&](RawConnection& connection) {
    for (;;) {
      const auto request = connection.read_request();
      if (request.empty()) return;
      const auto range = header_value(request, "range");
      const auto first =
          range.starts_with("bytes=-") ? all.size() - 1 : std::stoul(range.substr(6));
      connection.write(http_answer("206 Partial Content", all.substr(first, 1),
                                   "ETag: \"v1\"\r\nContent-Range: bytes " + std::to_string(first) +
                                       "-" + std::to_string(first) + "/" +
                                       std::to_string(all.size()) + "\r\n"));
    }
  });
  const auto outcome = play_from(server);
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, ErrorCode::bad_response);
  EXPECT_THAT(outcome.error->message, HasSubstr("too many small parts"));
  EXPECT_LE(server.requests().size(), 200U);
}

/// nginx, which serves a folder on a free port of loopback.
class Nginx {
 public:
  explicit Nginx(const TemporaryDirectory& directory) {
    port_ = refused_port();
    const auto config = directory.file("nginx.conf");
    // Started by root, nginx would read the files as another user.
    std::ofstream(config) << (::geteuid() == 0 ? "user root; " : "")
                          << "worker_processes 1; daemon off; pid " << directory.file("pid")
                          << "; error_log " << directory.file("error.log")
                          << "; events {} http { access_log off; client_body_temp_path "
                          << directory.file("body") << "; proxy_temp_path "
                          << directory.file("proxy") << "; fastcgi_temp_path "
                          << directory.file("fastcgi") << "; uwsgi_temp_path "
                          << directory.file("uwsgi") << "; scgi_temp_path "
                          << directory.file("scgi")
                          << "; types { video/mp4 mp4; text/html html; } server { listen 127.0.0.1:"
                          << port_ << "; root " << directory.file("www")
                          << "; location = /clip.mp4 { try_files /clip.mp4 /page.html; } } }";
    program_.emplace(Program::Settings{.args = {path(), "-c", config}});
  }
  ~Nginx() {
    program_->kill(SIGTERM);
    program_->wait();
  }
  Nginx(const Nginx&) = delete;
  Nginx& operator=(const Nginx&) = delete;

  /// Returns where nginx is installed; empty: it is not.
  static std::string path() {
    auto found = output_of("PATH=$PATH:/usr/sbin command -v nginx || true");
    while (!found.empty() && found.back() == '\n') found.pop_back();
    return found;
  }
  [[nodiscard]] std::string url(const std::string& file) const {
    return "http://127.0.0.1:" + std::to_string(port_) + file;
  }
  /// Waits until nginx answers. Returns false if nginx does not begin.
  [[nodiscard]] bool answers() const {
    while (!program_->has_ended()) {
      try {
        http_request("GET", url("/page.html"), {}, "");
        return true;
      } catch (const std::exception&) {
        std::this_thread::yield();
      }
    }
    return false;
  }

 private:
  std::uint16_t port_ = 0;
  std::optional<Program> program_;
};

// The URL of an expired or missing file often answers 200 with a page of HTML. The page is never
// kept as the clip: a later run finds the video.
TEST_F(BrokenHost, APageOfHtmlIsNeverKeptAsTheClip) {
  if (Nginx::path().empty()) GTEST_SKIP() << "nginx is not installed";
  const TemporaryDirectory directory;
  std::filesystem::create_directory(directory.file("www"));
  std::ofstream(directory.file("www/page.html"))
      << "<!DOCTYPE html><html><body>This link has expired.</body></html>\n";
  const auto all = file();
  const Nginx nginx(directory);
  ASSERT_TRUE(nginx.answers());
  for (const auto layout : {LayoutMode::original, LayoutMode::streamable}) {
    const auto outcome = play_from(nginx.url("/clip.mp4"), layout);
    ASSERT_TRUE(outcome.error);
    EXPECT_EQ(outcome.error->code, ErrorCode::bad_media);
    EXPECT_THAT(outcome.error->message, HasSubstr("not an MP4 file"));
    EXPECT_THAT(outcome.error->message, HasSubstr("is complete and paid"));
    EXPECT_EQ(outcome.bytes, "");
    EXPECT_EQ(count_kept(), kept_before_);
  }
  std::ofstream(directory.file("www/clip.mp4"), std::ios::binary) << all;
  const auto outcome = play_from(nginx.url("/clip.mp4"));
  EXPECT_FALSE(outcome.error) << outcome.error->message;
  EXPECT_TRUE(outcome.bytes == all);
  EXPECT_EQ(count_kept(), kept_before_ + 1);
}

}  // namespace
}  // namespace veo::test
