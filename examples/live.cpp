// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A live program in a window: you type what comes next, and the picture never stops.
//
//   c++ -std=c++20 live.cpp -o live $(pkg-config --cflags --libs gstreamer-1.0)
//   ./live "a dog in a park"
//
// Each line on standard input is the next prompt, and costs credits. These words are no prompts:
//
//   /skip     ends the clip that plays
//   /flush    drops the prompts that are not submitted yet
//   /repeat   plays the last clip again and again until the next one is here; or no longer
//   /quit     ends the program, as Ctrl-D and Ctrl-C do
//
// Debian packages: g++ libgstreamer1.0-dev; to run it, gstreamer1.0-veo gstreamer1.0-libav
// gstreamer1.0-plugins-good and a sink, such as that of gstreamer1.0-x.
#include <glib-unix.h>
#include <gst/gst.h>

#include <memory>
#include <string>
#include <string_view>

namespace {

// The queues let the picture go on while a device takes its time.
constexpr auto line =
    "veolivesrc name=live"
    " live.video ! queue ! videoconvert ! autovideosink"
    " live.audio ! queue ! audioconvert ! audioresample ! autoaudiosink";

struct Unref {
  void operator()(gpointer object) const { gst_object_unref(object); }
};
struct LoopUnref {
  void operator()(GMainLoop* loop) const { g_main_loop_unref(loop); }
};
struct Free {
  void operator()(gpointer memory) const { g_free(memory); }
};
struct ErrorFree {
  void operator()(GError* error) const { g_error_free(error); }
};
using Element = std::unique_ptr<GstElement, Unref>;
using Text = std::unique_ptr<gchar, Free>;
using Error = std::unique_ptr<GError, ErrorFree>;

struct App {
  Element pipeline;
  Element live;
  std::unique_ptr<GMainLoop, LoopUnref> loop{g_main_loop_new(nullptr, FALSE)};
  int exit_code = 0;

  void quit() const { g_main_loop_quit(loop.get()); }
};

// ---- what the person types ------------------------------------------------------------------

void toggle_repeat(GstElement* live) {
  gboolean is_on = FALSE;
  g_object_get(live, "repeat", &is_on, nullptr);
  g_object_set(live, "repeat", !is_on, nullptr);
  g_print("repeat is %s\n", is_on != FALSE ? "off" : "on");
}

void obey(const App& app, const std::string& words) {
  if (words.empty()) return;
  if (words == "/quit") {
    app.quit();
  } else if (words == "/skip") {
    g_signal_emit_by_name(app.live.get(), "skip");
  } else if (words == "/flush") {
    g_signal_emit_by_name(app.live.get(), "flush-requests");
  } else if (words == "/repeat") {
    toggle_repeat(app.live.get());
  } else if (words.front() == '/') {
    // A word with a mistake must not be paid for as a prompt.
    g_print("there is no %s: /skip, /flush, /repeat, /quit\n", words.c_str());
  } else {
    // Each line counts, also if the lines come at once.
    gboolean is_taken = FALSE;
    g_object_set(app.live.get(), "prompt", words.c_str(), nullptr);
    g_signal_emit_by_name(app.live.get(), "request", &is_taken);
    if (is_taken != FALSE) g_print("next: %s\n", words.c_str());
  }
}

gboolean on_input(GIOChannel* input, GIOCondition, gpointer data) {
  const auto& app = *static_cast<App*>(data);
  gchar* typed = nullptr;
  const auto status = g_io_channel_read_line(input, &typed, nullptr, nullptr, nullptr);
  const Text owned(typed);
  if (status == G_IO_STATUS_AGAIN) return G_SOURCE_CONTINUE;
  if (status != G_IO_STATUS_NORMAL) {
    app.quit();
    return G_SOURCE_REMOVE;
  }
  obey(app, g_strstrip(typed));
  return G_SOURCE_CONTINUE;
}

gboolean on_signal(gpointer data) {
  static_cast<App*>(data)->quit();
  return G_SOURCE_CONTINUE;
}

// ---- what the pipeline says -----------------------------------------------------------------

/// `veo-task` says how far the next clip is. `veo-live` says what is on the screen now.
void show_news(GstMessage* message) {
  const auto* const news = gst_message_get_structure(message);
  const char* const task = gst_structure_get_string(news, "task-id");
  if (gst_structure_has_name(news, "veo-live")) {
    const std::string_view state = gst_structure_get_string(news, "state");
    if (state == "playing") {
      g_print("plays: task %s\n", task);
    } else {
      g_print("plays: filler\n");
    }
  } else if (gst_structure_has_name(news, "veo-task") && task != nullptr && *task != '\0') {
    g_print("task %s is %s\n", task, gst_structure_get_string(news, "status"));
  }
}

/// A request that fails is only a warning: the picture goes on. The details say what it has cost.
void show_warning(GstMessage* message) {
  GError* warning = nullptr;
  const GstStructure* details = nullptr;
  gst_message_parse_warning(message, &warning, nullptr);
  const Error owned(warning);
  gst_message_parse_warning_details(message, &details);
  g_printerr("%s\n", warning->message);
  if (details != nullptr && gst_structure_has_name(details, "veo-error")) {
    gboolean is_paid = FALSE;
    gst_structure_get_boolean(details, "paid", &is_paid);
    g_printerr("[%s, charged: %s]\n", gst_structure_get_string(details, "code"),
               is_paid != FALSE ? "yes" : gst_structure_get_string(details, "charged"));
  }
}

void fail(App& app, GstMessage* message) {
  GError* error = nullptr;
  gst_message_parse_error(message, &error, nullptr);
  const Error owned(error);
  g_printerr("%s\n", error->message);
  app.exit_code = 1;
  app.quit();
}

gboolean on_message(GstBus*, GstMessage* message, gpointer data) {
  auto& app = *static_cast<App*>(data);
  switch (GST_MESSAGE_TYPE(message)) {
    case GST_MESSAGE_ELEMENT:
      show_news(message);
      break;
    case GST_MESSAGE_WARNING:
      show_warning(message);
      break;
    case GST_MESSAGE_ERROR:
      fail(app, message);
      break;
    case GST_MESSAGE_EOS:
      app.quit();
      break;
    default:
      break;
  }
  return G_SOURCE_CONTINUE;
}

void run(App& app) {
  const std::unique_ptr<GstBus, Unref> bus(gst_element_get_bus(app.pipeline.get()));
  gst_bus_add_watch(bus.get(), on_message, &app);
  GIOChannel* const input = g_io_channel_unix_new(0);
  // The element says what is wrong with a prompt that is no text. GLib would only end the input.
  g_io_channel_set_encoding(input, nullptr, nullptr);
  g_io_add_watch(input, static_cast<GIOCondition>(G_IO_IN | G_IO_HUP), on_input, &app);
  g_unix_signal_add(SIGINT, on_signal, &app);
  g_unix_signal_add(SIGTERM, on_signal, &app);

  gst_element_set_state(app.pipeline.get(), GST_STATE_PLAYING);
  g_main_loop_run(app.loop.get());
  guint pending = 0;
  g_object_get(app.live.get(), "pending-requests", &pending, nullptr);
  if (pending > 0) g_print("A task that was accepted is paid: the same prompt plays it.\n");
  gst_element_set_state(app.pipeline.get(), GST_STATE_NULL);

  g_io_channel_unref(input);
  gst_bus_remove_watch(bus.get());
}

}  // namespace

int main(int argc, char** argv) {
  gst_init(&argc, &argv);
  // A flag such as --help is no prompt, and costs nothing.
  if (argc > 2 || (argc == 2 && g_str_has_prefix(argv[1], "--"))) {
    g_printerr("usage: %s [PROMPT]\n", argv[0]);
    return 2;
  }
  App app;
  GError* error = nullptr;
  app.pipeline.reset(gst_parse_launch(line, &error));
  if (error != nullptr) {
    g_printerr("%s\n", error->message);
    g_error_free(error);
    return 1;
  }
  app.live.reset(gst_bin_get_by_name(GST_BIN(app.pipeline.get()), "live"));
  if (argc == 2) g_object_set(app.live.get(), "prompt", argv[1], nullptr);
  run(app);
  return app.exit_code;
}
