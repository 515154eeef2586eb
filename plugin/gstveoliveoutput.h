// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One pad of veolivesrc: a live source that sends the buffers of the switch, each when it is due.
//
//   create():  take_turn() ──► wait until the buffer's running time ──► GstBaseSrc pushes it
//              about one tick ahead
//
// create() waits for the clock by itself. GstBaseSrc would move the first buffer, and all others
// with it, to the running time at which the first one is ready, and off the grid.
#pragma once

#include <gst/base/gstbasesrc.h>
#include <gst/gst.h>

#include <memory>

#include "gstveolivecaps.h"
#include "gstveoliveswitch.h"

namespace veo::plugin {

/// Makes the output and its ghost pad, and adds both to the bin. Returns the output, which the bin
/// owns.
GstElement* add_live_output(GstElement* bin, Medium medium,
                            const std::shared_ptr<LiveSwitch>& live_switch);

/// Sets what the output may negotiate, before the output starts.
void set_live_caps(GstElement* output, Caps caps);

}  // namespace veo::plugin

G_BEGIN_DECLS

#define GST_TYPE_VEO_LIVE_OUTPUT (gst_veo_live_output_get_type())
G_DECLARE_FINAL_TYPE(GstVeoLiveOutput, gst_veo_live_output, GST, VEO_LIVE_OUTPUT, GstBaseSrc)

G_END_DECLS
