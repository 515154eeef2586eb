// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The pipeline around an element. Applications add and remove elements at any time, so the
// functions say what was there at one moment.
#pragma once

#include <gst/gst.h>

#include "gstveoowned.h"

namespace veo::plugin {

/// Returns the outermost bin of the element, or the element itself if it is in no bin.
Owned<GstObject> find_pipeline(GstElement* element);

/// Whether the pipeline of `element` has a live source, in any of its bins, and was not yet set to
/// PLAYING. May be called by any thread, also during a state change. GStreamer itself tells that a
/// pipeline is live only after its state change: GST_STATE_CHANGE_NO_PREROLL.
[[nodiscard]] bool is_live_and_not_playing(GstElement* element);

/// Calls `look` with each element of the bin and of the bins inside it, in no order. `look` may see
/// an element more than once.
template <class Look>
void for_each_element(GstObject* bin, Look look) {
  if (!GST_IS_BIN(bin)) return;
  const Owned<GstIterator> elements(gst_bin_iterate_recurse(GST_BIN(bin)));
  const auto call = [](const GValue* item, gpointer data) {
    (*static_cast<Look*>(data))(GST_ELEMENT(g_value_get_object(item)));
  };
  // After a change of the pipeline the iteration begins again.
  while (gst_iterator_foreach(elements.get(), call, &look) == GST_ITERATOR_RESYNC) {
    gst_iterator_resync(elements.get());
  }
}

}  // namespace veo::plugin
