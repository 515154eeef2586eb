// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The one place where the library's errors become GStreamer's.
#pragma once

#include <gst/gst.h>

#include "veo/core/error.h"

namespace veo::plugin {

/// Posts an ERROR message for `element`, with the domain and code of DESIGN §3 and a `veo-error`
/// details structure: `code`, `http-status`, `type`, `service-message`, `task-id`, `charged`.
void post_error(GstElement* element, const Error& error);
/// The same as a WARNING: of work that goes on beside what the pipeline plays.
void post_warning(GstElement* element, const Error& error);

}  // namespace veo::plugin
