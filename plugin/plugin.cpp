// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Registration only.
#include <gst/gst.h>

#include "gstveosrc.h"

GST_DEBUG_CATEGORY(gst_veo_debug);

static gboolean plugin_init(GstPlugin* plugin) {
  GST_DEBUG_CATEGORY_INIT(gst_veo_debug, "veo", 0, "Generated video as a source");
  return GST_ELEMENT_REGISTER(veosrc, plugin);
}

#define PACKAGE "gst-veo"
GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, veo,
                  "Generated video (Veo) as a source of media", plugin_init, VEO_VERSION, "LGPL",
                  "gst-veo", "https://github.com/gst-veo/gst-veo")
