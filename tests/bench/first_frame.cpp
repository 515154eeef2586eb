// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Measures the time to the first decoded frame over a slow link. The runs alternate:
//
//   veosrc       veosrc task-id=… ! decodebin, from the answer `completed` on
//   souphttpsrc  souphttpsrc location=URL ! decodebin, from the start on
//   download     curl -o FILE URL, then filesrc location=FILE ! decodebin, from the start on
//
// Usage: first-frame [--runs N] [--bandwidth BYTES/s] [--latency MS]   (VEO_TEST_CLIPS: real clips)
#include <gst/gst.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "clips.h"
#include "command.h"
#include "http_client.h"
#include "simulator.h"

namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;

struct Marks {
  Clock::time_point completed;
  Clock::time_point first_frame;
};

/// Runs the line until its first decoded frame is at the sink `video`.
Marks run(const std::string& line, const veo::test::Simulator* simulator) {
  GError* error = nullptr;
  GstElement* pipeline = gst_parse_launch(line.c_str(), &error);
  if (error != nullptr) {
    std::fprintf(stderr, "%s: %s\n", line.c_str(), error->message);
    std::exit(1);
  }
  Marks marks;
  // Each run has an empty ledger and cache.
  const veo::test::TemporaryDirectory home;
  GstElement* src = gst_bin_get_by_name(GST_BIN(pipeline), "src");
  if (simulator != nullptr) {
    g_object_set(src, "api-url", simulator->api_url().c_str(), "api-key", simulator->key().c_str(),
                 "ledger", home.file("ledger.db").c_str(), "cache-dir", home.file("cache").c_str(),
                 nullptr);
  }
  GstElement* sink = gst_bin_get_by_name(GST_BIN(pipeline), "video");
  GstPad* pad = gst_element_get_static_pad(sink, "sink");
  gst_pad_add_probe(
      pad, GST_PAD_PROBE_TYPE_BUFFER,
      [](GstPad*, GstPadProbeInfo*, gpointer data) {
        static_cast<Marks*>(data)->first_frame = Clock::now();
        return GST_PAD_PROBE_REMOVE;
      },
      &marks, nullptr);
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
            static_cast<Marks*>(data)->completed = Clock::now();
          }
          g_free(code);
        }
        return GST_BUS_PASS;
      },
      &marks, nullptr);
  marks.completed = Clock::now();
  gst_element_set_state(pipeline, GST_STATE_PAUSED);
  GstMessage* message = gst_bus_timed_pop_filtered(
      bus, 120 * GST_SECOND,
      static_cast<GstMessageType>(GST_MESSAGE_ASYNC_DONE | GST_MESSAGE_ERROR));
  if (message == nullptr || GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
    std::fprintf(stderr, "%s: no first frame\n", line.c_str());
    std::exit(1);
  }
  gst_message_unref(message);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_bus_set_sync_handler(bus, nullptr, nullptr, nullptr);
  gst_object_unref(bus);
  gst_object_unref(pad);
  gst_object_unref(sink);
  gst_object_unref(src);
  gst_object_unref(pipeline);
  return marks;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::string option(int argc, char** argv, const std::string& name, const std::string& fallback) {
  for (int i = 1; i + 1 < argc; ++i) {
    if (name == argv[i]) return argv[i + 1];
  }
  return fallback;
}

}  // namespace

int main(int argc, char** argv) {
  gst_init(nullptr, nullptr);
  const int runs = std::stoi(option(argc, argv, "--runs", "7"));
  const auto bandwidth = option(argc, argv, "--bandwidth", "2M");
  const auto latency = option(argc, argv, "--latency", "0ms");
  std::vector<std::string> arguments = {"--generation-time", "0s",        "--bandwidth",
                                        bandwidth,           "--latency", latency};
  const auto clip = veo::test::clip_path("veo31-dialogue.mp4");
  if (clip) arguments.insert(arguments.end(), {"--clip", *clip});
  const auto simulator = veo::test::Simulator::start(arguments);

  const std::string decode = " ! decodebin ! video/x-raw ! fakesink name=video sync=false";
  // All runs use one task. Its first run also fills GStreamer's registry cache and loads the
  // decoder.
  run("veosrc name=src prompt=\"a dog in a park\"" + decode, &simulator);
  const std::string id = simulator.state().at("tasks").at(0).at("id");
  const auto answer = veo::test::http_request("GET", simulator.api_url() + "/tasks/" + id,
                                              {{"Authorization", "Bearer " + simulator.key()}});
  const std::string url = nlohmann::json::parse(answer.body).at("output").at("urls").at(0);
  const std::string ours = "veosrc name=src task-id=" + id + decode;
  const std::string theirs = "souphttpsrc name=src location=" + url + decode;
  const veo::test::TemporaryDirectory directory;
  const auto file = directory.file("clip.mp4");

  const std::array<std::function<Milliseconds()>, 3> all = {
      [&] {
        const auto marks = run(ours, &simulator);
        return marks.first_frame - marks.completed;
      },
      [&] {
        const auto marks = run(theirs, nullptr);
        return marks.first_frame - marks.completed;
      },
      [&] {
        const auto began = Clock::now();
        if (std::system(("curl -sf -o " + file + " " + url).c_str()) != 0) std::exit(1);
        return run("filesrc name=src location=" + file + decode, nullptr).first_frame - began;
      }};
  std::array<std::vector<double>, 3> taken;
  for (int i = 0; i < runs; ++i) {
    for (std::size_t k = 0; k < all.size(); ++k) {
      const auto which = i % 2 == 0 ? k : all.size() - 1 - k;
      taken[which].push_back(all[which]().count());
    }
  }
  const auto veosrc = median(taken[0]);
  std::printf("first decoded frame of %s, %s bytes/s, %s one way, median of %d:\n",
              clip ? "veo31-dialogue.mp4" : "a simulated clip", bandwidth.c_str(), latency.c_str(),
              runs);
  std::printf("  veosrc %.0f ms, souphttpsrc %.0f ms, ratio %.3f, download %.0f ms, ratio %.3f\n",
              veosrc, median(taken[1]), veosrc / median(taken[1]), median(taken[2]),
              veosrc / median(taken[2]));
  return 0;
}
