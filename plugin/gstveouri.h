// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The URIs of veosrc: see veo/options/uri.h.
#pragma once

#include <string>

#include "gstveoproperties.h"

namespace veo::plugin {

/// Takes the URI's request in place of the one in `settings`, and leaves the rest as it is. What is
/// wrong with it is kept in `uri_error` (invalid_request), to be told where everything else is.
/// False: it is no URI of ours.
bool set_uri(ElementSettings& settings, const std::string& uri);

}  // namespace veo::plugin
