// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/base/gstpushsrc.h>
#include <gst/gst.h>

namespace veo::plugin {
class VeoSrc;
}

G_BEGIN_DECLS

#define GST_TYPE_VEO_SRC (gst_veo_src_get_type())
G_DECLARE_FINAL_TYPE(GstVeoSrc, gst_veo_src, GST, VEO_SRC, GstPushSrc)

GST_ELEMENT_REGISTER_DECLARE(veosrc)

G_END_DECLS
