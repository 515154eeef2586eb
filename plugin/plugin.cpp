// SPDX-License-Identifier: LGPL-2.1-or-later
//
// This file only registers the elements and the log.
#include <gst/gst.h>

#include "gstveoextend.h"
#include "gstveolivesrc.h"
#include "gstveolog.h"
#include "gstveosrc.h"

static gboolean plugin_init(GstPlugin* plugin) {
  veo::plugin::log_to_gstreamer();
  const gboolean has_source = GST_ELEMENT_REGISTER(veosrc, plugin);
  const gboolean has_extension = GST_ELEMENT_REGISTER(veoextend, plugin);
  const gboolean has_live_source = GST_ELEMENT_REGISTER(veolivesrc, plugin);
  return has_source != FALSE && has_extension != FALSE && has_live_source != FALSE;
}

#define PACKAGE "gst-veo"
GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, veo,
                  "Generated video (Veo) as a source of media", plugin_init, VEO_VERSION, "LGPL",
                  "gst-veo", "Unknown package origin")
