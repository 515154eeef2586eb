// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include <memory>

namespace veo::plugin {

/// Gives back what Owned<T> owns: a reference, or a value.
struct GiveBack {
  void operator()(GstBuffer* buffer) const { gst_buffer_unref(buffer); }
  void operator()(GstCaps* caps) const { gst_caps_unref(caps); }
  void operator()(GstEvent* event) const { gst_event_unref(event); }
  void operator()(GstMessage* message) const { gst_message_unref(message); }
  void operator()(GstQuery* query) const { gst_query_unref(query); }
  void operator()(GstSample* sample) const { gst_sample_unref(sample); }
  void operator()(GstStructure* structure) const { gst_structure_free(structure); }
  void operator()(GstIterator* iterator) const { gst_iterator_free(iterator); }
  void operator()(GError* error) const { g_error_free(error); }
  void operator()(char* text) const { g_free(text); }
  /// Any object, such as a GstElement, a GstPad or a GstBus.
  template <class Object>
  void operator()(Object* object) const {
    gst_object_unref(object);
  }
};

/// Owns what a function of GStreamer or GLib returns with `transfer full`.
template <class T>
using Owned = std::unique_ptr<T, GiveBack>;

}  // namespace veo::plugin
