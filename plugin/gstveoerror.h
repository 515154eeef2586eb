// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The one place where the library's errors become GStreamer's.
#pragma once

#include <gst/gst.h>

#include <chrono>

#include "veo/core/error.h"

namespace veo::plugin {

/// gst-launch-1.0 (1.22 to 1.26 at least) quits its main loop from the bus's sync handler. An error
/// that comes before the loop runs is lost, and the program stays for ever: so none comes at once.
inline constexpr auto first_error_after = std::chrono::milliseconds(100);

/// Posts an ERROR message for `element`, with the domain and code of DESIGN §3 and a `veo-error`
/// details structure: `code`, `http-status`, `type`, `service-message`, `task-id`, `charged`.
void post_error(GstElement* element, const Error& error);
/// The same as a WARNING: of work that goes on beside what the pipeline plays.
void post_warning(GstElement* element, const Error& error);

}  // namespace veo::plugin
