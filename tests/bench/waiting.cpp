// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Measures the cost of waiting elements. N times `veosrc ! fakesink` are in one pipeline of one
// process, and each element waits for its task. The process measures itself:
//
//   memory       the resident memory for each element with its fakesink, while all wait; for
//   comparison
//                the same with appsrc, which waits for nothing, in another process
//   connections  the TCP connections while all wait
//   CPU          the CPU time of 10 s in which no poll is due
//   the rest     the CPU time for each element, until the last element has its clip
//
// Usage: waiting [--elements N]…
#include <dirent.h>
#include <gst/gst.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <memory>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "await.h"
#include "command.h"
#include "simulator.h"

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

double resident_kib() {
  std::ifstream statm("/proc/self/statm");
  long size = 0;
  long resident = 0;
  statm >> size >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1024;
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// Counts the established TCP connections of this process, by the inodes of its sockets.
std::size_t count_tcp_connections() {
  std::set<std::string> sockets;
  const std::unique_ptr<DIR, int (*)(DIR*)> fds(opendir("/proc/self/fd"), closedir);
  while (const auto* entry = readdir(fds.get())) {
    char target[64] = {};
    const auto path = std::string("/proc/self/fd/") + entry->d_name;
    if (readlink(path.c_str(), target, sizeof target - 1) > 0) sockets.insert(target);
  }
  std::size_t count = 0;
  std::ifstream table("/proc/self/net/tcp");
  std::string line;
  std::getline(table, line);
  while (std::getline(table, line)) {
    std::istringstream fields(line);
    std::vector<std::string> field;
    for (std::string one; fields >> one;) field.push_back(one);
    if (field[3] == "01" && sockets.contains("socket:[" + field[9] + "]")) ++count;
  }
  return count;
}

struct Pipeline {
  explicit Pipeline(const std::string& line) {
    GError* error = nullptr;
    pipeline = gst_parse_launch(line.c_str(), &error);
    if (error != nullptr) throw std::runtime_error(error->message);
    bus = gst_element_get_bus(pipeline);
  }
  ~Pipeline() {
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(bus);
    gst_object_unref(pipeline);
  }
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  /// Waits for EOS. Throws if an error comes.
  void finish() const {
    GstMessage* message = gst_bus_timed_pop_filtered(
        bus, 600 * GST_SECOND, static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
    const bool good = message != nullptr && GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS;
    if (message != nullptr) gst_message_unref(message);
    if (!good) throw std::runtime_error("not all came to their end");
  }

  GstElement* pipeline;
  GstBus* bus;
};

std::string line_of(unsigned count, const std::string& source) {
  std::string line;
  for (unsigned i = 0; i < count; ++i) {
    line += source + " name=src" + std::to_string(i) + " ! fakesink sync=false async=false ";
  }
  return line;
}

/// Counts the accepted tasks of the pipeline. It drops the messages, so that they do not pile up;
/// an application would read them.
GstBusSyncReply count_accepted(GstBus*, GstMessage* message, gpointer data) {
  if ((GST_MESSAGE_TYPE(message) & (GST_MESSAGE_EOS | GST_MESSAGE_ERROR)) != 0) return GST_BUS_PASS;
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_PROGRESS) {
    GstProgressType type = GST_PROGRESS_TYPE_ERROR;
    gchar* code = nullptr;
    gst_message_parse_progress(message, &type, &code, nullptr);
    if (type == GST_PROGRESS_TYPE_START && g_strcmp0(code, "generate") == 0) {
      ++*static_cast<std::atomic<unsigned>*>(data);
    }
    g_free(code);
  }
  gst_message_unref(message);
  return GST_BUS_DROP;
}

void measure_appsrc(unsigned count) {
  const auto before = resident_kib();
  const Pipeline pipeline(line_of(count, "appsrc"));
  std::atomic<unsigned> none = 0;
  gst_bus_set_sync_handler(pipeline.bus, count_accepted, &none, nullptr);
  gst_element_set_state(pipeline.pipeline, GST_STATE_PLAYING);
  std::this_thread::sleep_for(1s);
  std::printf("  %4u of appsrc ! fakesink: %.1f KiB each\n", count,
              (resident_kib() - before) / count);
}

void measure(unsigned count, const std::string& clip) {
  // The tasks take 40 s. The polls come after 45 s, so they find the tasks completed.
  const auto simulator = veo::test::Simulator::start(
      {"--generation-time", "40s", "--clip", clip, "--credits", "1000000"});
  const auto cpu_before = cpu_seconds();
  const auto before = resident_kib();
  const Pipeline pipeline(line_of(count, "veosrc"));
  for (unsigned i = 0; i < count; ++i) {
    GstElement* src =
        gst_bin_get_by_name(GST_BIN(pipeline.pipeline), ("src" + std::to_string(i)).c_str());
    g_object_set(src, "prompt", ("scene " + std::to_string(i)).c_str(), "api-url",
                 simulator.api_url().c_str(), "api-key", simulator.key().c_str(), "ledger",
                 simulator.ledger().c_str(), "cache-dir", simulator.cache().c_str(),
                 "poll-interval", 45000, nullptr);
    gst_object_unref(src);
  }
  std::atomic<unsigned> accepted = 0;
  gst_bus_set_sync_handler(pipeline.bus, count_accepted, &accepted, nullptr);
  const auto began = Clock::now();
  gst_element_set_state(pipeline.pipeline, GST_STATE_PLAYING);
  veo::test::await("all elements submit", [&] { return accepted == count; });
  const std::chrono::duration<double> submitting = Clock::now() - began;
  std::this_thread::sleep_for(1s);  // the last answers are written to the ledger
  const auto memory = (resident_kib() - before) / count;
  const auto connections = count_tcp_connections();
  const auto idle = cpu_seconds();
  std::this_thread::sleep_for(10s);
  const auto waiting = cpu_seconds() - idle;
  pipeline.finish();
  gst_bus_set_sync_handler(pipeline.bus, nullptr, nullptr, nullptr);
  std::printf(
      "  %4u elements: %.1f KiB each, %zu TCP connections, %.2f %% of a core "
      "while nothing "
      "is due, %.2f ms of CPU each in all; submitted in %.1f s, all finished\n",
      count, memory, connections, waiting * 10, (cpu_seconds() - cpu_before) * 1000 / count,
      submitting.count());
}

/// Does the work in a child process. In one process, memory that an earlier measurement has freed
/// would be used again and not be counted.
void run_in_child(const std::function<void()>& work) {
  std::fflush(nullptr);
  const auto child = ::fork();
  if (child == 0) {
    int code = 0;
    try {
      gst_init(nullptr, nullptr);
      work();
    } catch (const std::exception& problem) {
      std::fprintf(stderr, "waiting: %s\n", problem.what());
      code = 1;
    }
    std::fflush(nullptr);
    ::_exit(code);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (status != 0) throw std::runtime_error("one of the measurements failed");
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<unsigned> counts;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::string(argv[i]) == "--elements") {
      counts.push_back(static_cast<unsigned>(std::stoul(argv[i + 1])));
    }
  }
  if (counts.empty()) counts = {100, 1000};
  try {
    const veo::test::TemporaryDirectory home;
    const auto clip = home.file("clip.mp4");
    run_in_child([&] {
      const auto simulator =
          veo::test::Simulator::start({"--generation-time", "0s", "--frames", "2"});
      const Pipeline one("veosrc prompt=x layout=original api-url=" + simulator.api_url() +
                         " api-key=" + simulator.key() + " ledger=" + simulator.ledger() +
                         " cache-dir=" + simulator.cache() + " ! filesink location=" + clip);
      gst_element_set_state(one.pipeline, GST_STATE_PLAYING);
      one.finish();
    });
    std::printf("waiting in one process:\n");
    run_in_child([&] { measure_appsrc(counts.back()); });
    for (const auto count : counts) run_in_child([&] { measure(count, clip); });
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "waiting: %s\n", problem.what());
    return 1;
  }
  return 0;
}
