// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Shows how an application generates several videos at once, and plays one after the other. The
// action signal `prepare` submits all of them first, so that the service generates them while the
// first one plays.
//
//   c++ -std=c++20 ahead.cpp -o ahead $(pkg-config --cflags --libs gstreamer-1.0)
//   ./ahead "a dog in a park" "a cat on a roof"
//
// To keep the example short, "play" means to write 1.mp4, 2.mp4, … into the current directory.
#include <gst/gst.h>

#include <memory>
#include <string>
#include <vector>

namespace {

struct Unref {
  void operator()(gpointer object) const { gst_object_unref(object); }
};
struct MessageUnref {
  void operator()(GstMessage* message) const { gst_message_unref(message); }
};
using Element = std::unique_ptr<GstElement, Unref>;

/// Puts each element into a pipeline of its own, whose bus carries the element's messages in every
/// state.
Element make_pipeline(const char* prompt, int number) {
  Element pipeline(gst_pipeline_new(nullptr));
  GstElement* src = gst_element_factory_make("veosrc", "src");
  GstElement* sink = gst_element_factory_make("filesink", nullptr);
  if (src == nullptr || sink == nullptr) return nullptr;
  g_object_set(src, "prompt", prompt, nullptr);
  g_object_set(sink, "location", (std::to_string(number) + ".mp4").c_str(), nullptr);
  gst_bin_add_many(GST_BIN(pipeline.get()), src, sink, nullptr);
  gst_element_link(src, sink);
  return pipeline;
}

bool prepare(GstElement* pipeline) {
  const Element src(gst_bin_get_by_name(GST_BIN(pipeline), "src"));
  gboolean accepted = FALSE;
  g_signal_emit_by_name(src.get(), "prepare", &accepted);
  return accepted != FALSE;
}

/// Plays to the end. Returns false on an error.
bool play(GstElement* pipeline) {
  const std::unique_ptr<GstBus, Unref> bus(gst_element_get_bus(pipeline));
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  const std::unique_ptr<GstMessage, MessageUnref> message(
      gst_bus_timed_pop_filtered(bus.get(), GST_CLOCK_TIME_NONE,
                                 static_cast<GstMessageType>(GST_MESSAGE_ERROR | GST_MESSAGE_EOS)));
  const bool played = GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_EOS;
  if (!played) {
    GError* error = nullptr;
    gst_message_parse_error(message.get(), &error, nullptr);
    g_printerr("%s\n", error->message);
    g_error_free(error);
  }
  gst_element_set_state(pipeline, GST_STATE_NULL);
  return played;
}

}  // namespace

int main(int argc, char** argv) {
  gst_init(&argc, &argv);
  // A flag such as --help is no prompt, and costs nothing.
  if (argc < 2 || g_str_has_prefix(argv[1], "--")) {
    g_printerr("usage: %s PROMPT…\n", argv[0]);
    return 2;
  }
  std::vector<Element> pipelines;
  for (int i = 1; i < argc; ++i) {
    pipelines.push_back(make_pipeline(argv[i], i));
    if (!pipelines.back()) {
      g_printerr("veosrc is not installed: set GST_PLUGIN_PATH to its folder\n");
      return 1;
    }
    if (!prepare(pipelines.back().get())) return 1;
  }
  bool all = true;
  for (std::size_t i = 0; i < pipelines.size(); ++i) {
    if (!play(pipelines[i].get())) {
      all = false;
      continue;
    }
    g_print("%zu.mp4: %s\n", i + 1, argv[i + 1]);
  }
  return all ? 0 : 1;
}
