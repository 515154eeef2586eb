// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstveopipeline.h"

#include <gst/base/gstbasesrc.h>

namespace veo::plugin {

namespace {

/// A GstBaseSrc knows from the start that it is live. Any other source, such as rtspsrc, has said
/// so as the result of its state change.
bool is_live_source(GstElement* element) {
  if (GST_IS_BASE_SRC(element)) return gst_base_src_is_live(GST_BASE_SRC(element)) != FALSE;
  GST_OBJECT_LOCK(element);
  const bool is_live = GST_STATE_RETURN(element) == GST_STATE_CHANGE_NO_PREROLL;
  GST_OBJECT_UNLOCK(element);
  return is_live;
}

bool has_live_source(GstObject* bin) {
  bool has_one = false;
  for_each_element(bin, [&has_one](GstElement* one) { has_one = has_one || is_live_source(one); });
  return has_one;
}

}  // namespace

Owned<GstObject> find_pipeline(GstElement* element) {
  Owned<GstObject> top(GST_OBJECT(gst_object_ref(element)));
  while (auto* const parent = gst_object_get_parent(top.get())) top.reset(parent);
  return top;
}

bool is_live_and_not_playing(GstElement* element) {
  const auto top = find_pipeline(element);
  // A bin in an asynchronous state change does not pass its target on to its elements. So only the
  // outermost bin tells what the application wants.
  GST_OBJECT_LOCK(top.get());
  const bool is_playing = GST_STATE_TARGET(top.get()) == GST_STATE_PLAYING;
  GST_OBJECT_UNLOCK(top.get());
  return !is_playing && has_live_source(top.get());
}

}  // namespace veo::plugin
