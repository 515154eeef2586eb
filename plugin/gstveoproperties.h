// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The properties that veosrc and whatever else submits tasks have in common: one table, one
// meaning, wherever they appear.
#pragma once

#include <glib-object.h>

#include <optional>
#include <string>

#include "veo/source/source.h"

namespace veo::plugin {

struct ElementSettings {
  Options source;
  bool prompt_tag = false;
  bool reuse = true;
  std::string uri;                 ///< as it was set; empty: none
  std::optional<Error> uri_error;  ///< why nothing can be made of it
};

/// Installs the shared properties with the ids 1 … N and returns N + 1, the first free id.
guint install_properties(GObjectClass* object_class);

/// Both return false where `id` is not one of the shared ones. The caller holds the lock of
/// `settings`.
bool set_property(ElementSettings& settings, guint id, const GValue* value);
bool get_property(const ElementSettings& settings, guint id, GValue* value);

/// `status` and `stats`, which are read from the running task, with the ids `first` and the next.
/// Marks the enums of all of them as the plugin's API. Returns the first free id.
guint install_task_properties(GObjectClass* object_class, guint first);
/// Also `task-id`, as long as there is a running task. `index` is the id's distance from `first`.
/// False: it is none of those.
bool get_task_property(const Source::Snapshot& seen, guint index, const GParamSpec* spec,
                       GValue* value);

/// With reuse=false, an element's own: it submits once, whatever states it goes through.
std::string make_instance();

}  // namespace veo::plugin
