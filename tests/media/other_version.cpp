// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A libveo-media of another version of gst-veo.
#include "veo/media/library.h"

extern "C" const veo::media::Entry* veo_media_entry();
const veo::media::Entry* veo_media_entry() {
  static constexpr veo::media::Entry entry{.version = "0.0.7", .library = nullptr};
  return &entry;
}
