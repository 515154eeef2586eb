// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Sets the URI of veosrc. veo/options/uri.h describes the URIs.
#pragma once

#include <string>

#include "gstveoproperties.h"

namespace veo::plugin {

/// Replaces the request in `settings` by the request of the URI, and keeps the other settings. If
/// the URI is wrong, stores the error (invalid_request) in `uri_error`; the element reports the
/// error when it starts or prepares. False: the URI has another scheme.
bool set_uri(ElementSettings& settings, const std::string& uri);

}  // namespace veo::plugin
