// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Makes a film with a shot for each prompt. Each shot continues the one before.
//
//   c++ -std=c++20 film.cpp -o film $(pkg-config --cflags --libs gstreamer-1.0)
//   ./film film.mp4  "a dog in a park" "it finds a ball" "it brings the ball back"
//   ./film film.webm …    writes the same film as VP9 and Opus
//   ./film display …      shows each shot while the next one is being generated
//
// A film that is kept waits for each shot, and reports the waiting by PROGRESS. A film that is
// shown goes on meanwhile: there `veo-task` messages report the next shots, because an open
// PROGRESS asks the application to wait. If the next shot is late, BUFFERING pauses the film.
#include <gst/gst.h>

#include <memory>
#include <string>

namespace {

struct Unref {
  void operator()(gpointer object) const { gst_object_unref(object); }
};
struct MessageUnref {
  void operator()(GstMessage* message) const { gst_message_unref(message); }
};

/// Names each element, because main() sets the prompts by these names: a prompt may contain any
/// character, also those that gst_parse_launch() would interpret.
std::string line_of(const std::string& destination, int shots) {
  const bool is_shown = destination == "display";
  std::string line = "veosrc name=shot1";
  for (int shot = 2; shot <= shots; ++shot) {
    line += " ! veoextend name=shot" + std::to_string(shot);
    // Without join=append the element first reads what a continuation contains, and shows it
    // afterwards.
    if (is_shown) line += " join=append";
  }
  if (is_shown) {
    return line +
           " ! decodebin name=d d. ! queue ! videoconvert ! autovideosink"
           " d. ! queue ! audioconvert ! audioresample ! autoaudiosink";
  }
  if (destination.ends_with(".webm")) {
    return line +
           " ! decodebin3 name=d webmmux name=m ! filesink name=file"
           " d. ! queue ! videoconvert ! vp9enc deadline=1 cpu-used=8 row-mt=true ! queue ! m."
           " d. ! queue ! audioconvert ! audioresample ! opusenc ! queue ! m.";
  }
  return line + " ! filesink name=file";
}

void set_text(GstElement* pipeline, const std::string& name, const char* property,
              const char* text) {
  const std::unique_ptr<GstElement, Unref> element(
      gst_bin_get_by_name(GST_BIN(pipeline), name.c_str()));
  if (element) g_object_set(element.get(), property, text, nullptr);
}

void show_progress(GstMessage* message) {
  gchar* text = nullptr;
  gst_message_parse_progress(message, nullptr, nullptr, &text);
  g_print("%s: %s\n", GST_OBJECT_NAME(GST_MESSAGE_SRC(message)), text);
  g_free(text);
}

/// `veo-task` reports the state of a shot. `veo-join` reports what the shot's file contains.
void show_news(GstMessage* message) {
  const auto* const news = gst_message_get_structure(message);
  const char* const shot = GST_OBJECT_NAME(GST_MESSAGE_SRC(message));
  if (gst_structure_has_name(news, "veo-task")) {
    g_print("%s: task %s is %s\n", shot, gst_structure_get_string(news, "task-id"),
            gst_structure_get_string(news, "status"));
  } else if (gst_structure_has_name(news, "veo-join")) {
    g_print("%s: %s\n", shot, gst_structure_get_string(news, "join"));
  }
}

void show_error(GstMessage* message) {
  GError* error = nullptr;
  gst_message_parse_error(message, &error, nullptr);
  g_printerr("%s: %s\n", GST_OBJECT_NAME(GST_MESSAGE_SRC(message)), error->message);
  g_error_free(error);
}

/// Pauses while the next shot is late. The sinks would drop the frames of a late shot.
void heed_buffering(GstElement* pipeline, GstMessage* message) {
  gint percent = 0;
  gst_message_parse_buffering(message, &percent);
  gst_element_set_state(pipeline, percent < 100 ? GST_STATE_PAUSED : GST_STATE_PLAYING);
}

/// Runs to the end of the stream. Returns false on an error.
bool run(GstElement* pipeline) {
  const std::unique_ptr<GstBus, Unref> bus(gst_element_get_bus(pipeline));
  for (;;) {
    const std::unique_ptr<GstMessage, MessageUnref> message(
        gst_bus_timed_pop(bus.get(), GST_CLOCK_TIME_NONE));
    switch (GST_MESSAGE_TYPE(message.get())) {
      case GST_MESSAGE_PROGRESS:
        show_progress(message.get());
        break;
      case GST_MESSAGE_ELEMENT:
        show_news(message.get());
        break;
      case GST_MESSAGE_BUFFERING:
        heed_buffering(pipeline, message.get());
        break;
      case GST_MESSAGE_ERROR:
        show_error(message.get());
        return false;
      case GST_MESSAGE_EOS:
        return true;
      default:
        break;
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  gst_init(&argc, &argv);
  // A flag such as --help is no prompt, and costs nothing.
  if (argc < 3 || g_str_has_prefix(argv[1], "--") || g_str_has_prefix(argv[2], "--")) {
    g_printerr("usage: %s FILE.mp4|FILE.webm|display PROMPT…\n", argv[0]);
    return 2;
  }
  GError* error = nullptr;
  const std::unique_ptr<GstElement, Unref> pipeline(
      gst_parse_launch(line_of(argv[1], argc - 2).c_str(), &error));
  if (error != nullptr) {
    g_printerr("%s\n", error->message);
    g_error_free(error);
    return 1;
  }
  for (int shot = 1; shot <= argc - 2; ++shot) {
    set_text(pipeline.get(), "shot" + std::to_string(shot), "prompt", argv[shot + 1]);
  }
  set_text(pipeline.get(), "file", "location", argv[1]);
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  const bool good = run(pipeline.get());
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  return good ? 0 : 1;
}
