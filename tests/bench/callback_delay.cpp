// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Measures the time from the end of a task to its detection. The runs alternate:
//
//   callbacks  veosrc callback-listen=127.0.0.1:0
//   polling    veosrc alone, before it has learned anything
//
// The time begins when the simulator completes the task (the time of the submission in its log,
// plus the generation time). It ends with the message that the download begins. The generation
// times are spread evenly over a second, so that no poll hits the end by design.
//
// Usage: callback-delay [--runs N]
#include <gst/gst.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "command.h"
#include "simulator.h"

namespace {

using Clock = std::chrono::system_clock;  // the clock of the simulator's log
using Seconds = std::chrono::duration<double>;
using Milliseconds = std::chrono::duration<double, std::milli>;

constexpr std::chrono::milliseconds shortest{2000};
constexpr std::chrono::milliseconds spread{1000};

[[noreturn]] void give_up(const char* why) {
  std::fprintf(stderr, "callback-delay: %s\n", why);
  std::exit(1);
}

/// Finds the time at which the last submission was accepted.
Clock::time_point find_submission_time(const veo::test::Simulator& simulator) {
  const auto log = simulator.log();
  const auto post = std::find_if(
      log.rbegin(), log.rend(), [](const auto& request) { return request.at("method") == "POST"; });
  if (post == log.rend()) give_up("nothing was submitted");
  const Seconds time(post->at("time").template get<double>());
  return Clock::time_point(std::chrono::duration_cast<Clock::duration>(time));
}

/// Runs one task that takes `generation`. Returns the time from its end to its detection.
Milliseconds run(veo::test::Simulator& simulator, std::chrono::milliseconds generation,
                 bool listens) {
  const auto slow = std::to_string((generation - shortest).count());
  simulator.set_faults({"task:slow=" + slow + "ms"});
  const veo::test::TemporaryDirectory home;
  GstElement* pipeline = gst_parse_launch("veosrc name=src prompt=x ! fakesink", nullptr);
  GstElement* src = gst_bin_get_by_name(GST_BIN(pipeline), "src");
  g_object_set(src, "api-url", simulator.api_url().c_str(), "api-key", simulator.key().c_str(),
               "ledger", home.file("ledger.db").c_str(), "cache-dir", home.file("cache").c_str(),
               "callback-listen", listens ? "127.0.0.1:0" : nullptr, nullptr);
  Clock::time_point seen;
  GstBus* bus = gst_element_get_bus(pipeline);
  // The sync handler runs when the message is posted, not when the main thread receives it.
  gst_bus_set_sync_handler(
      bus,
      [](GstBus*, GstMessage* message, gpointer data) {
        if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_PROGRESS) {
          GstProgressType type;
          gchar* code = nullptr;
          gst_message_parse_progress(message, &type, &code, nullptr);
          if (type == GST_PROGRESS_TYPE_START && g_strcmp0(code, "download") == 0) {
            *static_cast<Clock::time_point*>(data) = Clock::now();
          }
          g_free(code);
        }
        return GST_BUS_PASS;
      },
      &seen, nullptr);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstMessage* message = gst_bus_timed_pop_filtered(
      bus, 60 * GST_SECOND, static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  if (message == nullptr || GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
    give_up("the task was not played");
  }
  gst_message_unref(message);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_bus_set_sync_handler(bus, nullptr, nullptr, nullptr);
  gst_object_unref(bus);
  gst_object_unref(src);
  gst_object_unref(pipeline);
  return seen - (find_submission_time(simulator) + generation);
}

struct Delays {
  std::vector<double> values;
  [[nodiscard]] double median() {
    std::ranges::sort(values);
    return values[values.size() / 2];
  }
  [[nodiscard]] double longest() const { return *std::ranges::max_element(values); }
};

}  // namespace

int main(int argc, char** argv) {
  gst_init(nullptr, nullptr);
  int runs = 7;
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::string("--runs") == argv[i]) runs = std::max(1, std::atoi(argv[i + 1]));
  }
  auto simulator = veo::test::Simulator::start(
      {"--generation-time", std::to_string(shortest.count()) + "ms", "--frames", "24"});
  (void)run(simulator, shortest, true);  // fills GStreamer's registry cache
  Delays callbacks;
  Delays polling;
  for (int i = 0; i < runs; ++i) {
    const auto generation = shortest + spread * (2 * i + 1) / (2 * runs);
    const auto measure = [&](bool listens) {
      auto& delays = listens ? callbacks : polling;
      delays.values.push_back(run(simulator, generation, listens).count());
    };
    measure(i % 2 == 0);
    measure(i % 2 != 0);
  }
  std::printf("from a task's end until it is seen, median of %d (longest):\n", runs);
  std::printf("  callbacks %.1f ms (%.1f), polling %.0f ms (%.0f), ratio %.4f\n",
              callbacks.median(), callbacks.longest(), polling.median(), polling.longest(),
              callbacks.median() / polling.median());
  return 0;
}
