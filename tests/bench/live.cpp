// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Measures what the filler of veolivesrc costs at 1920x1080 and 30 frames a second, beside test
// sources that are live and black or silent. All play into `fakesink sync=true`, alternately, each
// in a process of its own. The figures are CPU seconds.
//
// Usage: live [--seconds N] [--times N]
#include <gst/gst.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

/// One line, and what it costs.
struct Candidate {
  const char* name;
  std::string line;
  std::vector<double> seconds{};  // of CPU
};

double cpu_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// Plays the line for so long, from its first second on. Returns its CPU time.
double play(const std::string& line, unsigned seconds) {
  gst_init(nullptr, nullptr);
  GError* error = nullptr;
  auto* pipeline = gst_parse_launch(line.c_str(), &error);
  if (error != nullptr) throw std::runtime_error(error->message);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  auto* bus = gst_element_get_bus(pipeline);
  const auto wait = [bus](GstClockTime time) {
    auto* message = gst_bus_timed_pop_filtered(bus, time, GST_MESSAGE_ERROR);
    if (message != nullptr) throw std::runtime_error("a pipeline failed");
  };
  wait(GST_SECOND);
  const auto before = cpu_seconds();
  wait(seconds * GST_SECOND);
  const auto used = cpu_seconds() - before;
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(bus);
  gst_object_unref(pipeline);
  return used;
}

double play_in_child(const std::string& line, unsigned seconds) {
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) throw std::runtime_error("there is no pipe");
  std::fflush(nullptr);
  const auto child = ::fork();
  if (child == 0) {
    double used = -1;
    try {
      used = play(line, seconds);
    } catch (const std::exception& problem) {
      std::fprintf(stderr, "live: %s\n", problem.what());
    }
    const bool is_written = ::write(ends[1], &used, sizeof used) == sizeof used;
    ::_exit(is_written ? 0 : 1);
  }
  ::close(ends[1]);
  double used = -1;
  const bool is_read = ::read(ends[0], &used, sizeof used) == sizeof used;
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  if (!is_read || used < 0) throw std::runtime_error("a measurement failed: " + line);
  return used;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// The second candidate is the one that the first is compared with.
void compare(std::array<Candidate, 2> pair, unsigned seconds, unsigned times) {
  for (unsigned i = 0; i < times; ++i) {
    for (auto& one : pair) one.seconds.push_back(play_in_child(one.line, seconds));
  }
  const auto first = median(pair[0].seconds);
  const auto second = median(pair[1].seconds);
  for (const auto& one : pair) {
    const auto used = median(one.seconds);
    std::printf("  %-46s %6.3f s of CPU in %u s (%.3f–%.3f), %5.1f s in an hour\n", one.name, used,
                seconds, *std::min_element(one.seconds.begin(), one.seconds.end()),
                *std::max_element(one.seconds.begin(), one.seconds.end()), used * 3600 / seconds);
  }
  std::printf("  ratio %.2f\n", first / second);
}

}  // namespace

int main(int argc, char** argv) {
  unsigned seconds = 20;
  unsigned times = 5;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--seconds") seconds = static_cast<unsigned>(std::stoul(argv[i + 1]));
    if (flag == "--times") times = static_cast<unsigned>(std::stoul(argv[i + 1]));
  }
  const std::string video = "video/x-raw,format=I420,width=1920,height=1080,framerate=30/1";
  const std::string audio = "audio/x-raw,format=F32LE,layout=interleaved,rate=48000,channels=2";
  const std::string live =
      "veolivesrc name=live video-caps=\"" + video + "\" audio-caps=\"" + audio + "\" ";
  const std::string sink = " ! fakesink sync=true ";
  const std::string black = "videotestsrc is-live=true pattern=black ! " + video + sink;
  // A tick of veolivesrc has 1,600 samples here, so the other source makes buffers of that size.
  const std::string silence =
      "audiotestsrc is-live=true wave=silence samplesperbuffer=1600 ! " + audio + sink;
  try {
    std::printf("waiting for a clip at 1920x1080 and 30 frames a second, medians of %u:\n", times);
    compare({Candidate{"veolivesrc, picture", live + "live.video" + sink},
             Candidate{"videotestsrc pattern=black", black}},
            seconds, times);
    compare({Candidate{"veolivesrc, picture and sound",
                       live + "live.video" + sink + "live.audio" + sink},
             Candidate{"videotestsrc and audiotestsrc", black + silence}},
            seconds, times);
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "live: %s\n", problem.what());
    return 1;
  }
  return 0;
}
