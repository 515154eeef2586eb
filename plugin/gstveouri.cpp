// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstveouri.h"

#include "veo/source/uri.h"

namespace veo::plugin {

bool set_uri(ElementSettings& settings, const std::string& uri) {
  if (!is_veo_uri(uri)) return false;
  settings.uri = uri;
  settings.uri_error.reset();
  settings.source.request = {};
  settings.source.task_id.clear();
  settings.source.take = 1;
  settings.source.by_uri = false;
  const auto parsed = parse_uri(uri);
  if (!parsed) {
    settings.uri_error = parsed.error();
    return true;
  }
  settings.source.task_id = parsed->task_id;
  settings.source.by_uri = parsed->task_id.empty();
  // As gst-launch-1.0 would set them.
  for (const auto& [name, value] : parsed->parameters) {
    if (set_property(settings, name, value)) continue;
    settings.uri_error = bad_parameter(name, value);
    break;
  }
  return true;
}

}  // namespace veo::plugin
