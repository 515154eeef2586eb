// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstveouri.h"

#include "veo/options/uri.h"

namespace veo::plugin {

bool set_uri(ElementSettings& settings, const std::string& uri) {
  if (!is_veo_uri(uri)) return false;
  settings.uri = uri;
  settings.uri_error.reset();
  const auto parsed = parse_uri(uri);
  const auto set = veo::set_uri(settings.source, parsed.value_or(Uri{}));
  if (!parsed) {
    settings.uri_error = parsed.error();
  } else if (!set) {
    settings.uri_error = set.error();
  }
  return true;
}

}  // namespace veo::plugin
