// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

namespace veo::plugin {

/// Sends the library's log to GStreamer's debug categories veo-job, veo-clip, veo-http, veo-ledger
/// and veo-film. The plugin calls this once, when it is loaded.
void log_to_gstreamer();

}  // namespace veo::plugin
