// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Measures the time of a film in addition to the time of the service for its steps, with real clips
// and tasks of 2 s. The time begins with PLAYING and ends with EOS at a sink that is fast enough.
//
// Usage: chain [--runs N] [--steps N]
#include <gst/gst.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include "clips.h"
#include "simulator.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr double generation = 2;  // seconds

/// Seconds.
double run(const std::string& clip, int steps, const std::string& more) {
  const auto simulator = veo::test::Simulator::start({"--generation-time", "2s", "--clip", clip});
  const auto access = " api-url=" + simulator.api_url() + " api-key=" + simulator.key() +
                      " ledger=" + simulator.ledger() + " cache-dir=" + simulator.cache() + more;
  std::string line = "veosrc prompt=1" + access;
  for (int step = 2; step <= steps; ++step) {
    line += " ! veoextend prompt=" + std::to_string(step) + access;
  }
  GError* error = nullptr;
  GstElement* pipeline = gst_parse_launch((line + " ! fakesink sync=false").c_str(), &error);
  if (error != nullptr) throw std::runtime_error(error->message);
  GstBus* bus = gst_element_get_bus(pipeline);
  const auto began = Clock::now();
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstMessage* message = gst_bus_timed_pop_filtered(
      bus, 600 * GST_SECOND, static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  const double took = std::chrono::duration<double>(Clock::now() - began).count();
  const bool good = message != nullptr && GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS;
  if (message != nullptr) gst_message_unref(message);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(bus);
  gst_object_unref(pipeline);
  if (!good) throw std::runtime_error(line + ": did not come to its end");
  return took;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void measure(int runs, int steps) {
  const auto clip = veo::test::clip_path("veo31-dialogue.mp4");
  if (!clip) throw std::runtime_error("needs the real clips");
  const std::vector<std::pair<const char*, std::string>> ways = {
      {"polling, as learned", ""},
      {"poll-interval=100", " poll-interval=100"},
      {"callback-listen", " callback-listen=127.0.0.1:0"}};
  std::vector<std::vector<double>> took(ways.size());
  for (int i = 0; i < runs; ++i) {
    for (std::size_t k = 0; k < ways.size(); ++k)
      took[k].push_back(run(*clip, steps, ways[k].second));
  }
  std::printf("a film of %d steps of %.0f s each, median of %d:\n", steps, generation, runs);
  for (std::size_t k = 0; k < ways.size(); ++k) {
    const double all = median(took[k]);
    std::printf("  %-20s %6.2f s, %.0f ms a step beyond the generation\n", ways[k].first, all,
                1e3 * (all / steps - generation));
  }
}

}  // namespace

int main(int argc, char** argv) {
  gst_init(&argc, &argv);
  int runs = 3;
  int steps = 5;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::string(argv[i]) == "--runs") runs = std::stoi(argv[i + 1]);
    if (std::string(argv[i]) == "--steps") steps = std::stoi(argv[i + 1]);
  }
  try {
    measure(runs, steps);
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "chain: %s\n", problem.what());
    return 1;
  }
  return 0;
}
