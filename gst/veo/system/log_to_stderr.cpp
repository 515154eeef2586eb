// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/system/log_to_stderr.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <climits>
#include <cstdio>
#include <ctime>
#include <mutex>
#include <optional>
#include <string>

#include "veo/core/escape.h"
#include "veo/core/log.h"
#include "veo/system/environment.h"

namespace veo {

namespace {

/// Formats the time in UTC, as RFC 3339 writes it, with milliseconds.
std::string format_now() {
  using namespace std::chrono;
  const auto now = system_clock::now();
  const auto seconds = system_clock::to_time_t(now);
  const auto part = duration_cast<milliseconds>(now.time_since_epoch()).count() % 1000;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900,
                utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                static_cast<int>(part));
  return text;
}

/// Writes the line with one write(), so that the lines of several threads and processes do not mix.
/// Returns false, and writes nothing, if the write would wait: the reader of a pipe or a stopped
/// terminal may not read for minutes, and this may be the I/O thread, which has paid answers to
/// take.
bool write_line(std::string line) {
  // A pipe that is ready takes PIPE_BUF bytes at once (poll(2), pipe(7)).
  line.resize(std::min<std::size_t>(line.size(), PIPE_BUF - 1));
  line += '\n';
  pollfd ready{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  if (::poll(&ready, 1, 0) != 1) return false;
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
  return true;
}

class StderrSink final : public log::Sink {
 public:
  explicit StderrSink(log::Level most) : most_(most) {}

  [[nodiscard]] bool is_enabled(log::Category /*category*/, log::Level level) const override {
    return level <= most_;
  }

  void write(const log::At& at, log::Level level, const std::string& line) override {
    const auto dropped = dropped_.exchange(0);
    if (dropped > 0 &&
        !write_line(begin_line(log::Level::warning, at.category) + std::to_string(dropped) +
                    " lines were dropped, because nobody read stderr")) {
      dropped_ += dropped;
    }
    if (!write_line(begin_line(level, at.category) + line)) ++dropped_;
  }

 private:
  static std::string begin_line(log::Level level, log::Category category) {
    return format_now()
        .append(" ")
        .append(nick(level))
        .append(" ")
        .append(nick(category))
        .append(": ");
  }

  const log::Level most_;
  std::atomic<unsigned> dropped_{0};
};

std::optional<log::Level> find_level(const std::string& text) {
  using enum log::Level;
  for (const auto level : {error, warning, info, debug, trace}) {
    if (text == nick(level)) return level;
  }
  return std::nullopt;
}

}  // namespace

void log_to_stderr() {
  static std::once_flag once;
  std::call_once(once, [] {
    const auto set = environment::get("VEO_LOG");
    if (!set) return;
    const auto level = find_level(*set);
    if (!level) {
      write_line("VEO_LOG=" + escape_text(*set, 80) +
                 " is not a level: set error, warning, info, debug or trace.");
      return;
    }
    // Never destroyed: threads may log until the process has ended.
    auto* const sink = new StderrSink(*level);
    log::set_sink_if_none(*sink);
  });
}

}  // namespace veo
