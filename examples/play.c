/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Plays a prompt with its sound. Shows how a program in C uses veosrc with a GMainLoop: the bus
 * watch prints the progress and the errors, and Ctrl-C ends the program at once, in each phase.
 *
 *   cc play.c -o play $(pkg-config --cflags --libs gstreamer-1.0)
 *   ./play "a dog in a park"
 *
 * Debian packages: gcc libgstreamer1.0-dev; to run it, gstreamer1.0-veo gstreamer1.0-libav
 * gstreamer1.0-plugins-good and a sink, such as that of gstreamer1.0-x.
 */
#include <glib-unix.h>
#include <gst/gst.h>

typedef struct {
  GMainLoop* loop;
  GstElement* pipeline;
  int exit_code;
} App;

/* Called by a streaming thread for each stream of the clip. Links the stream to a sink. */
static void on_pad(GstElement* decoder, GstPad* pad, gpointer pipeline) {
  GstCaps* caps = gst_pad_get_current_caps(pad);
  const char* kind = gst_structure_get_name(gst_caps_get_structure(caps, 0));
  /* openalsink plays sound that is not interleaved at the wrong pitch. */
  const char* line = g_str_has_prefix(kind, "video/")
                         ? "queue ! videoconvert ! autovideosink"
                         : "queue ! audioconvert ! audioresample ! audio/x-raw,layout=interleaved"
                           " ! autoaudiosink";
  GstElement* branch = gst_parse_bin_from_description(line, TRUE, NULL);
  (void)decoder;
  gst_caps_unref(caps);
  if (branch == NULL) return; /* an element is missing, and the pipeline posts an error */
  gst_bin_add(GST_BIN(pipeline), branch);
  gst_element_sync_state_with_parent(branch);
  GstPad* sink = gst_element_get_static_pad(branch, "sink");
  gst_pad_link(pad, sink);
  gst_object_unref(sink);
}

static void print_progress(GstMessage* message) {
  char* text = NULL;
  gst_message_parse_progress(message, NULL, NULL, &text);
  g_print("%s\n", text);
  g_free(text);
}

/* A person reads the message. The details say the same for the program. */
static void print_error(GstMessage* message) {
  GError* error = NULL;
  const GstStructure* details = NULL;
  gboolean paid = FALSE;
  gst_message_parse_error(message, &error, NULL);
  g_printerr("%s\n", error->message);
  g_error_free(error);
  gst_message_parse_error_details(message, &details);
  if (details == NULL || !gst_structure_has_name(details, "veo-error")) return;
  g_printerr("[%s, charged: %s]\n", gst_structure_get_string(details, "code"),
             gst_structure_get_string(details, "charged"));
  if (gst_structure_get_boolean(details, "paid", &paid) && paid) {
    g_printerr("Run the same line again: it finds the task, and pays nothing.\n");
  }
}

static gboolean on_message(GstBus* bus, GstMessage* message, gpointer data) {
  App* app = data;
  (void)bus;
  switch (GST_MESSAGE_TYPE(message)) {
    case GST_MESSAGE_PROGRESS:
      print_progress(message);
      break;
    case GST_MESSAGE_ERROR:
      print_error(message);
      app->exit_code = 1;
      g_main_loop_quit(app->loop);
      break;
    case GST_MESSAGE_EOS:
      g_main_loop_quit(app->loop);
      break;
    default:
      break;
  }
  return G_SOURCE_CONTINUE;
}

/* A signal that kills the process can leave a submission without an answer. Therefore the program
 * ends by itself. A submission that has left then gets up to 5 s for its answer. */
static gboolean on_signal(gpointer data) {
  App* app = data;
  char* task_id = NULL;
  GstElement* source = gst_bin_get_by_name(GST_BIN(app->pipeline), "source");
  g_object_get(source, "task-id", &task_id, NULL);
  gst_object_unref(source);
  if (task_id != NULL && task_id[0] != '\0') {
    g_printerr("Task %s goes on. The same line finds it again, and pays nothing.\n", task_id);
  }
  g_free(task_id);
  app->exit_code = 130;
  g_main_loop_quit(app->loop);
  return G_SOURCE_CONTINUE;
}

int main(int argc, char** argv) {
  App app = {NULL, NULL, 0};
  gst_init(&argc, &argv);
  if (argc != 2 ||
      g_str_has_prefix(argv[1], "--")) { /* a flag such as --help is no prompt, and costs nothing */
    g_printerr("Usage: %s PROMPT\n", argv[0]);
    return 2;
  }
  GstElement* source = gst_element_factory_make("veosrc", "source");
  GstElement* decoder = gst_element_factory_make("decodebin", NULL);
  if (source == NULL || decoder == NULL) {
    g_printerr("GStreamer has no %s.\n", source == NULL ? "veosrc" : "decodebin");
    return 1;
  }
  /* A prompt may have any character, so the program does not put it into a launch line. */
  g_object_set(source, "prompt", argv[1], NULL);

  app.loop = g_main_loop_new(NULL, FALSE);
  app.pipeline = gst_pipeline_new(NULL);
  gst_bin_add_many(GST_BIN(app.pipeline), source, decoder, NULL);
  gst_element_link(source, decoder);
  g_signal_connect(decoder, "pad-added", G_CALLBACK(on_pad), app.pipeline);
  GstBus* bus = gst_element_get_bus(app.pipeline);
  gst_bus_add_watch(bus, on_message, &app);
  g_unix_signal_add(SIGINT, on_signal, &app);
  g_unix_signal_add(SIGTERM, on_signal, &app);

  gst_element_set_state(app.pipeline, GST_STATE_PLAYING);
  g_main_loop_run(app.loop);
  gst_element_set_state(app.pipeline, GST_STATE_NULL);

  gst_bus_remove_watch(bus);
  gst_object_unref(bus);
  gst_object_unref(app.pipeline);
  g_main_loop_unref(app.loop);
  return app.exit_code;
}
