// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstveolivelog.h"

namespace veo::plugin {

GstDebugCategory* find_live_log() {
  static auto* const category = _gst_debug_category_new("veolivesrc", 0, "veolivesrc element");
  return category;
}

}  // namespace veo::plugin
