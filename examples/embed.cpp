// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Saves the video of a prompt. Shows how an application in C++ embeds veosrc without a main loop:
// the program prints the progress, keeps the id of the paid task, and tells a failed task from one
// that can be played later. examples/play.c shows a main loop and Ctrl-C.
//
//   c++ -std=c++20 embed.cpp -o embed $(pkg-config --cflags --libs gstreamer-1.0)
//   ./embed "a dog in a park" dog.mp4
#include <gst/gst.h>

#include <memory>

namespace {

struct Unref {
  void operator()(gpointer object) const { gst_object_unref(object); }
};
struct MessageUnref {
  void operator()(GstMessage* message) const { gst_message_unref(message); }
};

void show_progress(GstMessage* message) {
  gchar* code = nullptr;
  gchar* text = nullptr;
  gst_message_parse_progress(message, nullptr, &code, &text);
  g_print("%s: %s\n", code, text);
  g_free(code);
  g_free(text);
}

/// Called on a streaming thread as soon as the service has told the task id. A real application
/// stores the id.
void remember_task(GObject* src, GParamSpec*, gpointer) {
  gchar* id = nullptr;
  g_object_get(src, "task-id", &id, nullptr);
  g_print("task: %s\n", id != nullptr ? id : "");
  g_free(id);
}

/// A program reads the details. A person reads the message.
void show_error(GstMessage* message) {
  GError* error = nullptr;
  gst_message_parse_error(message, &error, nullptr);
  g_printerr("%s\n", error->message);
  g_error_free(error);
  const GstStructure* details = nullptr;
  gst_message_parse_error_details(message, &details);
  if (details == nullptr || !gst_structure_has_name(details, "veo-error")) return;
  g_printerr("code: %s, charged: %s, task: %s\n", gst_structure_get_string(details, "code"),
             gst_structure_get_string(details, "charged"),
             gst_structure_get_string(details, "task-id"));
}

}  // namespace

int main(int argc, char** argv) {
  gst_init(&argc, &argv);
  if (argc != 3) {
    g_printerr("usage: %s PROMPT FILE.mp4\n", argv[0]);
    return 2;
  }
  GstElement* src = gst_element_factory_make("veosrc", nullptr);
  GstElement* sink = gst_element_factory_make("filesink", nullptr);
  if (src == nullptr || sink == nullptr) {
    g_printerr("veosrc is not installed: set GST_PLUGIN_PATH to its folder\n");
    return 1;
  }
  g_object_set(src, "prompt", argv[1], nullptr);
  g_object_set(sink, "location", argv[2], nullptr);
  g_signal_connect(src, "notify::task-id", G_CALLBACK(remember_task), nullptr);

  const std::unique_ptr<GstElement, Unref> pipeline(gst_pipeline_new(nullptr));
  gst_bin_add_many(GST_BIN(pipeline.get()), src, sink, nullptr);
  gst_element_link(src, sink);
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);

  const std::unique_ptr<GstBus, Unref> bus(gst_element_get_bus(pipeline.get()));
  bool failed = false;
  for (bool running = true; running;) {
    const std::unique_ptr<GstMessage, MessageUnref> message(gst_bus_timed_pop_filtered(
        bus.get(), GST_CLOCK_TIME_NONE,
        static_cast<GstMessageType>(GST_MESSAGE_PROGRESS | GST_MESSAGE_ERROR | GST_MESSAGE_EOS)));
    switch (GST_MESSAGE_TYPE(message.get())) {
      case GST_MESSAGE_PROGRESS:
        show_progress(message.get());
        break;
      case GST_MESSAGE_ERROR:
        show_error(message.get());
        failed = true;
        running = false;
        break;
      default:
        running = false;
        break;
    }
  }
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  return failed ? 1 : 0;
}
