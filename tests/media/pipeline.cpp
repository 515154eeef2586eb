// SPDX-License-Identifier: LGPL-2.1-or-later
//
// pipeline LINE: runs a pipeline to its end in a process that does nothing else. Prints `eos` or
// `error TEXT`, then the path of each library that the process has mapped by then.
#include <gst/gst.h>

#include <fstream>
#include <iostream>
#include <set>
#include <string>

int main(int argc, char** argv) {
  gst_init(&argc, &argv);
  GError* problem = nullptr;
  GstElement* const pipeline = gst_parse_launch(argc == 2 ? argv[1] : "", &problem);
  if (pipeline == nullptr || problem != nullptr) {
    std::cout << "error " << problem->message << "\n";
    return 1;
  }
  GstBus* const bus = gst_element_get_bus(pipeline);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstMessage* const message = gst_bus_timed_pop_filtered(
      bus, 60 * GST_SECOND, static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  if (message == nullptr) {
    std::cout << "error it hangs\n";
  } else if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS) {
    std::cout << "eos\n";
  } else {
    gst_message_parse_error(message, &problem, nullptr);
    std::cout << "error " << problem->message << "\n";
    g_clear_error(&problem);
  }
  std::set<std::string> libraries;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const auto path = line.find('/');
    if (path != std::string::npos && line.find(".so", path) != std::string::npos) {
      libraries.insert(line.substr(path));
    }
  }
  for (const auto& library : libraries) std::cout << library << "\n";
  if (message != nullptr) gst_message_unref(message);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(bus);
  gst_object_unref(pipeline);
  return 0;
}
