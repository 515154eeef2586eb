// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

namespace veo::plugin {
class VeoExtend;
}

G_BEGIN_DECLS

#define GST_TYPE_VEO_EXTEND (gst_veo_extend_get_type())
G_DECLARE_FINAL_TYPE(GstVeoExtend, gst_veo_extend, GST, VEO_EXTEND, GstElement)

GST_ELEMENT_REGISTER_DECLARE(veoextend)

G_END_DECLS
