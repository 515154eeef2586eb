// SPDX-License-Identifier: LGPL-2.1-or-later

/**
 * SECTION:element-veoextend
 * @title: veoextend
 * @short_description: continues a generated video, as one film
 *
 * veoextend submits a task that continues the video of another task. The MP4 of that task comes in,
 * and both videos go out as one film: fragmented MP4, exact to the frame and the sample, without
 * re-encoding. **Each step costs credits.** veoextend submits its task as soon as the task before
 * is completed, even if the video of that task is still playing.
 *
 * veoextend continues the task of the veosrc or veoextend upstream, or the task of
 * #GstVeoExtend:extend-task-id. The file that the service delivers may contain only the
 * continuation, or also the video that it continues. #GstVeoExtend:join says how to join the
 * files, and a `veo-join` element message says what the file contains.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 veosrc prompt="a dog in a park" ! veoextend prompt="it finds a ball" ! \
 *     veoextend prompt="it brings the ball back" ! filesink location=film.mp4
 * ]| Make a film of three shots. The same line again costs nothing.
 * |[
 * gst-launch-1.0 veosrc prompt="a dog in a park" ! \
 *     veoextend prompt="it finds a ball" join=append ! \
 *     decodebin ! videoconvert ! autovideosink
 * ]| Play the first shot while the second one is being generated. If the second one is late,
 * veoextend posts a BUFFERING message, and an application pauses until the message says 100 %.
 * |[
 * gst-launch-1.0 filesrc location=dog.mp4 ! \
 *     veoextend extend-task-id=cbf6b69d-4f03-4817-8ed7-94c0292184a8 prompt="it finds a ball" ! \
 *     filesink location=film.mp4
 * ]| Continue a file whose task is known.
 *
 * Since: 0.1
 */

#include "gstveoextend.h"

#include <memory>
#include <utility>

#include "gstveoenums.h"
#include "gstveoevent.h"
#include "gstveoextension.h"
#include "gstveoowned.h"
#include "gstveoproperties.h"

#define GST_CAT_DEFAULT gst_veo_extend_debug

using veo::plugin::Extension;

struct _GstVeoExtend {
  GstElement parent;
  Extension* impl;  // owned: created in init, deleted in finalize
};

G_DEFINE_TYPE(GstVeoExtend, gst_veo_extend, GST_TYPE_ELEMENT)
GST_ELEMENT_REGISTER_DEFINE_WITH_CODE(veoextend, "veoextend", GST_RANK_NONE, GST_TYPE_VEO_EXTEND,
                                      GST_DEBUG_CATEGORY_INIT(gst_veo_extend_debug, "veoextend", 0,
                                                              "veoextend element"))

static GstStaticPadTemplate extend_sink_template = GST_STATIC_PAD_TEMPLATE(
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS("video/quicktime"));
static GstStaticPadTemplate extend_src_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS("video/quicktime, variant=(string)iso"));

static guint first_extension_property;

static Extension& extension_of(gpointer object) { return *GST_VEO_EXTEND(object)->impl; }

static void gst_veo_extend_set_property(GObject* object, guint id, const GValue* value,
                                        GParamSpec* spec) {
  if (!extension_of(object).set_property(id, value)) {
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
}

static void gst_veo_extend_get_property(GObject* object, guint id, GValue* value,
                                        GParamSpec* spec) {
  const auto& extend = extension_of(object);
  const bool got = veo::plugin::get_task_property(extend.snapshot(), id - first_extension_property,
                                                  spec, value) ||
                   extend.get_property(id, value);
  if (!got) G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
}

static gboolean gst_veo_extend_send_event(GstElement* element, GstEvent* event) {
  if (GST_EVENT_TYPE(event) == GST_EVENT_EOS) {
    extension_of(element).end_film(veo::plugin::Owned<GstEvent>(event));
    return TRUE;
  }
  // A bin sends each downstream event to all its sources, and so to this element and to the source
  // upstream, from which the event comes to the sink pad. A flush has nothing to drop here: this
  // element makes the film once, from front to back.
  const veo::plugin::Owned<GstPad> sink(gst_element_get_static_pad(element, "sink"));
  const bool is_downstream = (static_cast<guint>(GST_EVENT_TYPE(event)) &
                              static_cast<guint>(GST_EVENT_TYPE_DOWNSTREAM)) != 0;
  if (is_downstream && gst_pad_is_linked(sink.get()) != FALSE) {
    gst_event_unref(event);
    return TRUE;
  }
  return GST_ELEMENT_CLASS(gst_veo_extend_parent_class)->send_event(element, event);
}

static GstFlowReturn gst_veo_extend_chain(GstPad*, GstObject* parent, GstBuffer* buffer) {
  return extension_of(parent).chain(buffer);
}

static gboolean gst_veo_extend_sink_event(GstPad* pad, GstObject* parent, GstEvent* event) {
  auto& extend = extension_of(parent);
  if (veo::plugin::is_task_event(event)) {
    auto task = veo::plugin::parse_task_event(event);
    if (task) {
      extend.take_upstream(std::move(*task));
    } else {
      GST_WARNING_OBJECT(parent, "%s", task.error().message.c_str());
    }
    gst_event_unref(event);
    return TRUE;
  }
  if (veo::plugin::is_ended_event(event)) {
    extend.end_film(veo::plugin::Owned<GstEvent>(gst_event_new_eos()));
    gst_event_unref(event);
    return TRUE;
  }
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_EOS:
      extend.on_eos();
      break;
    // A flush ends the waits of upstream's threads, so that a seek upstream does not wait for the
    // continuation. The flush does not go downstream: this element makes the film once, from front
    // to back, and bytes that upstream sends again do not change it. FLUSH_START arrives on any
    // thread, FLUSH_STOP in the order of the stream.
    case GST_EVENT_FLUSH_START:
      extend.begin_flush();
      break;
    case GST_EVENT_FLUSH_STOP:
      extend.end_flush();
      break;
    case GST_EVENT_SEGMENT: {
      const GstSegment* segment = nullptr;
      gst_event_parse_segment(event, &segment);
      extend.take_segment(*segment);
      break;
    }
    // FilmOutput sends the film's own events of these types.
    case GST_EVENT_TAG:
      extend.take_upstream_tags(veo::plugin::parse_tag_event(event));
      break;
    case GST_EVENT_STREAM_START:
    case GST_EVENT_CAPS:
      break;
    default:
      return gst_pad_event_default(pad, parent, event);
  }
  gst_event_unref(event);
  return TRUE;
}

static gboolean gst_veo_extend_sink_query(GstPad* pad, GstObject* parent, GstQuery* query) {
  switch (GST_QUERY_TYPE(query)) {
    case GST_QUERY_DRAIN:
      return extension_of(parent).drain() ? TRUE : FALSE;
    case GST_QUERY_ALLOCATION:
      return FALSE;
    default:
      return gst_pad_query_default(pad, parent, query);
  }
}

static gboolean gst_veo_extend_src_event(GstPad* pad, GstObject* parent, GstEvent* event) {
  // No seek is possible, because this element makes the film once, from front to back.
  if (GST_EVENT_TYPE(event) == GST_EVENT_SEEK) {
    GST_DEBUG_OBJECT(parent, "a seek is refused");
    gst_event_unref(event);
    return FALSE;
  }
  return gst_pad_event_default(pad, parent, event);
}

static gboolean gst_veo_extend_src_query(GstPad* pad, GstObject* parent, GstQuery* query) {
  switch (GST_QUERY_TYPE(query)) {
    case GST_QUERY_SCHEDULING:
      gst_query_set_scheduling(
          query,
          static_cast<GstSchedulingFlags>(GST_SCHEDULING_FLAG_SEQUENTIAL |
                                          GST_SCHEDULING_FLAG_BANDWIDTH_LIMITED),
          1, -1, 0);
      gst_query_add_scheduling_mode(query, GST_PAD_MODE_PUSH);
      return TRUE;
    case GST_QUERY_SEEKING: {
      GstFormat format = GST_FORMAT_UNDEFINED;
      gst_query_parse_seeking(query, &format, nullptr, nullptr, nullptr);
      gst_query_set_seeking(query, format, FALSE, 0, -1);
      return TRUE;
    }
    case GST_QUERY_DURATION:
    case GST_QUERY_POSITION:
      return FALSE;
    default:
      return gst_pad_query_default(pad, parent, query);
  }
}

static void gst_veo_extend_loop(gpointer pad) {
  auto* const parent = gst_pad_get_parent_element(GST_PAD(pad));
  extension_of(parent).give_film();
  gst_pad_pause_task(GST_PAD(pad));
  gst_object_unref(parent);
}

static gboolean gst_veo_extend_activate_src(GstPad* pad, GstObject* parent, GstPadMode mode,
                                            gboolean active) {
  if (mode != GST_PAD_MODE_PUSH) return FALSE;
  if (active != FALSE) return gst_pad_start_task(pad, gst_veo_extend_loop, pad, nullptr);
  extension_of(parent).unlock();
  return gst_pad_stop_task(pad);
}

/// Ends the threads. Deactivating the src pad also ends the thread of the film.
static void gst_veo_extend_halt(GstElement* element) {
  extension_of(element).unlock();
  for (GList* pad = element->pads; pad != nullptr; pad = pad->next) {
    gst_pad_set_active(GST_PAD(pad->data), FALSE);
  }
  extension_of(element).stop();
}

static GstStateChangeReturn gst_veo_extend_change_state(GstElement* element,
                                                        GstStateChange transition) {
  if (transition == GST_STATE_CHANGE_NULL_TO_READY && !extension_of(element).load_media()) {
    return GST_STATE_CHANGE_FAILURE;
  }
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && !extension_of(element).start()) {
    return GST_STATE_CHANGE_FAILURE;
  }
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) extension_of(element).unlock();
  const auto changed =
      GST_ELEMENT_CLASS(gst_veo_extend_parent_class)->change_state(element, transition);
  // If READY to PAUSED fails, GStreamer does not call PAUSED to READY. So this call must end the
  // threads that start() began.
  const bool could_not_begin =
      transition == GST_STATE_CHANGE_READY_TO_PAUSED && changed == GST_STATE_CHANGE_FAILURE;
  if (could_not_begin || transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    gst_veo_extend_halt(element);
  }
  return changed;
}

static void gst_veo_extend_init(GstVeoExtend* self) {
  auto* const element = GST_ELEMENT(self);
  auto* const sink = gst_pad_new_from_static_template(&extend_sink_template, "sink");
  gst_pad_set_chain_function(sink, gst_veo_extend_chain);
  gst_pad_set_event_function(sink, gst_veo_extend_sink_event);
  gst_pad_set_query_function(sink, gst_veo_extend_sink_query);
  gst_element_add_pad(element, sink);
  auto* const src = gst_pad_new_from_static_template(&extend_src_template, "src");
  gst_pad_set_event_function(src, gst_veo_extend_src_event);
  gst_pad_set_query_function(src, gst_veo_extend_src_query);
  gst_pad_set_activatemode_function(src, gst_veo_extend_activate_src);
  gst_pad_use_fixed_caps(src);
  gst_element_add_pad(element, src);
  // veoextend generates, so it is a source, too. A bin sends EOS of the application to its sources
  // only, and the source upstream may have ended long before.
  GST_OBJECT_FLAG_SET(element, GST_ELEMENT_FLAG_SOURCE);
  self->impl = new Extension(element, src);
}

static void gst_veo_extend_finalize(GObject* object) {
  delete GST_VEO_EXTEND(object)->impl;
  G_OBJECT_CLASS(gst_veo_extend_parent_class)->finalize(object);
}

static void gst_veo_extend_class_init(GstVeoExtendClass* klass) {
  auto* object_class = G_OBJECT_CLASS(klass);
  auto* element_class = GST_ELEMENT_CLASS(klass);
  object_class->set_property = gst_veo_extend_set_property;
  object_class->get_property = gst_veo_extend_get_property;
  object_class->finalize = gst_veo_extend_finalize;
  element_class->change_state = gst_veo_extend_change_state;
  element_class->send_event = gst_veo_extend_send_event;

  first_extension_property =
      veo::plugin::install_properties(object_class, veo::OptionSetter::extension_element);
  veo::plugin::install_task_properties(object_class, first_extension_property);

  gst_element_class_add_static_pad_template(element_class, &extend_sink_template);
  gst_element_class_add_static_pad_template(element_class, &extend_src_template);
  gst_element_class_set_static_metadata(element_class, "Veo extension", "Filter/Network",
                                        "Continues a generated video by a task of its own, as one "
                                        "seamless film. Costs credits. Sends "
                                        "the API key and the prompt to api.aivideoapi.ai, a "
                                        "provider of Veo that is not Google, or to "
                                        "api-url",
                                        "gst-veo");
}
