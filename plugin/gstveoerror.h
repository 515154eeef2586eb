// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Only this file turns an error of the library into an error message of GStreamer.
#pragma once

#include <gst/gst.h>

#include <chrono>

#include "veo/core/error.h"

namespace veo::plugin {

/// gst-launch-1.0 (1.22 to 1.26 at least) quits its main loop from the bus's sync handler. If an
/// error arrives before the loop runs, gst-launch-1.0 loses the error and never ends. So the
/// streaming threads post no error earlier than this time after they begin.
inline constexpr auto first_error_after = std::chrono::milliseconds(100);

/// Makes the details structure `veo-error`.
GstStructure* make_error_details(const Error& error);

/// Posts an ERROR message for `element`, with the domain and code of the error table and a
/// `veo-error` details structure: `code`, `http-status`, `type`, `service-message`, `task-id`,
/// `charged`.
void post_error(GstElement* element, const Error& error);
/// Posts the same as a WARNING. This is for work that the pipeline does not play, such as a
/// prepared task.
void post_warning(GstElement* element, const Error& error);

}  // namespace veo::plugin
