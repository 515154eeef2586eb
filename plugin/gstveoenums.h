// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The library's enums as GObject types. A GObject value is the C++ enumerator's number; where a
// property also knows "unset", that is 0 and the enumerators follow.
#pragma once

#include <glib-object.h>

G_BEGIN_DECLS

#define GST_TYPE_VEO_MODE (gst_veo_mode_get_type())
GType gst_veo_mode_get_type(void);
#define GST_TYPE_VEO_RESOLUTION (gst_veo_resolution_get_type())
GType gst_veo_resolution_get_type(void);
#define GST_TYPE_VEO_ASPECT_RATIO (gst_veo_aspect_ratio_get_type())
GType gst_veo_aspect_ratio_get_type(void);
#define GST_TYPE_VEO_GENERATION_TYPE (gst_veo_generation_type_get_type())
GType gst_veo_generation_type_get_type(void);
#define GST_TYPE_VEO_LAYOUT (gst_veo_layout_get_type())
GType gst_veo_layout_get_type(void);
#define GST_TYPE_VEO_ON_UNKNOWN (gst_veo_on_unknown_get_type())
GType gst_veo_on_unknown_get_type(void);
#define GST_TYPE_VEO_TASK_STATUS (gst_veo_task_status_get_type())
GType gst_veo_task_status_get_type(void);
#define GST_TYPE_VEO_JOIN (gst_veo_join_get_type())
GType gst_veo_join_get_type(void);

G_END_DECLS
