// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The debug category `veolivesrc` of all parts of veolivesrc.
#pragma once

#include <gst/gst.h>

namespace veo::plugin {

GstDebugCategory* find_live_log();

}  // namespace veo::plugin
