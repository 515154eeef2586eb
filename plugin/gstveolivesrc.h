// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

namespace veo::plugin {
class VeoLiveSrc;
}

G_BEGIN_DECLS

#define GST_TYPE_VEO_LIVE_SRC (gst_veo_live_src_get_type())
G_DECLARE_FINAL_TYPE(GstVeoLiveSrc, gst_veo_live_src, GST, VEO_LIVE_SRC, GstBin)

GST_ELEMENT_REGISTER_DECLARE(veolivesrc)

G_END_DECLS
