// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Measures the time of set_state(NULL) at 24 moments in the life of a task: during the submission,
// the wait and the download, and at the end. The link has a delay of 20 ms in each direction.
//
// Usage: cancel [--runs N]    (N runs at each moment)
#include <gst/gst.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "simulator.h"

namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;
using namespace std::chrono_literals;

constexpr int moments = 24;

class Player {
 public:
  Player(const veo::test::Simulator& simulator, int number) {
    pipeline_ = gst_parse_launch(
        ("veosrc prompt=\"scene " + std::to_string(number) + "\" api-url=" + simulator.api_url() +
         " api-key=" + simulator.key() + " ledger=" + simulator.ledger() +
         " cache-dir=" + simulator.cache() + " poll-interval=50 ! fakesink sync=false")
            .c_str(),
        nullptr);
    gst_element_set_state(pipeline_, GST_STATE_PLAYING);
  }
  ~Player() { gst_object_unref(pipeline_); }
  Player(const Player&) = delete;
  Player& operator=(const Player&) = delete;

  void finish() const {
    GstBus* bus = gst_element_get_bus(pipeline_);
    GstMessage* message = gst_bus_timed_pop_filtered(
        bus, 60 * GST_SECOND, static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
    const bool good = message != nullptr && GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS;
    if (message != nullptr) gst_message_unref(message);
    gst_object_unref(bus);
    if (!good) throw std::runtime_error("a task did not come to its end");
  }

  [[nodiscard]] Milliseconds stop() const {
    const auto began = Clock::now();
    gst_element_set_state(pipeline_, GST_STATE_NULL);
    return Clock::now() - began;
  }

 private:
  GstElement* pipeline_;
};

void run(int runs) {
  const auto simulator =
      veo::test::Simulator::start({"--generation-time", "500ms", "--frames", "48", "--bandwidth",
                                   "300k", "--latency", "20ms", "--credits", "1000000"});
  int number = 0;
  const auto began = Clock::now();
  {
    const Player whole(simulator, number++);
    whole.finish();
    (void)whole.stop();
  }
  const Milliseconds life = Clock::now() - began;
  std::vector<double> taken;
  for (int i = 0; i < runs; ++i) {
    for (int moment = 0; moment < moments; ++moment) {
      const Player player(simulator, number++);
      std::this_thread::sleep_for(life * moment / (moments - 1));
      taken.push_back(player.stop().count());
    }
  }
  std::sort(taken.begin(), taken.end());
  std::printf(
      "set_state(NULL) at %d moments of a task's %.1f s, %d times each: median %.1f ms, "
      "p99 %.1f ms, longest %.1f ms\n",
      moments, life.count() / 1000, runs, taken[taken.size() / 2], taken[taken.size() * 99 / 100],
      taken.back());
}

}  // namespace

int main(int argc, char** argv) {
  gst_init(nullptr, nullptr);
  try {
    run(argc == 3 && std::string(argv[1]) == "--runs" ? std::stoi(argv[2]) : 5);
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "cancel: %s\n", problem.what());
    return 1;
  }
  return 0;
}
