// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/base/gstpushsrc.h>
#include <gst/gst.h>

#include "gstveoproperties.h"
#include "veo/source/source.h"

namespace veo::plugin {
class VeoSrc;
}

G_BEGIN_DECLS

#define GST_TYPE_VEO_SRC (gst_veo_src_get_type())
G_DECLARE_FINAL_TYPE(GstVeoSrc, gst_veo_src, GST, VEO_SRC, GstPushSrc)

GST_ELEMENT_REGISTER_DECLARE(veosrc)

G_END_DECLS

namespace veo::plugin {

/// Sets all properties at once, as another element of the plugin has them, `api-key` and the
/// instance (options.h) among them. For an element that is not running.
void set_settings(GstVeoSrc* self, ElementSettings settings);
/// Returns what `task-id`, `status` and `stats` are made of. Any thread.
Source::Snapshot take_snapshot(GstVeoSrc* self);

}  // namespace veo::plugin
