// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The properties of the elements that submit tasks. A property of an option is made from the
// option's row (veo/options/option_table.h), so it has one meaning in every element.
#pragma once

#include <glib-object.h>

#include <optional>
#include <string>

#include "veo/options/option_table.h"
#include "veo/source/source.h"

namespace veo::plugin {

struct ElementSettings {
  Options source;
  std::string uri;                 ///< as it was set; empty: none
  std::optional<Error> uri_error;  ///< why the URI cannot be used
};

/// Installs a property for each option that `element` may set. The id is the place of the option's
/// row, from 1. Returns the first free id. Marks the enums as the plugin's API.
guint install_properties(GObjectClass* object_class, OptionSetter element);

/// Both return false where `id` is no option's. The caller holds the lock of `settings`.
bool set_property(ElementSettings& settings, guint id, const GValue* value);
bool get_property(const ElementSettings& settings, guint id, GValue* value);

/// Installs `status` and `stats`, which are read from the running task, with the ids `first` and
/// the next. Returns the first free id.
guint install_task_properties(GObjectClass* object_class, guint first);
/// Reads `status`, `stats`, and `task-id` as long as there is a running task. `index` is the id's
/// distance from `first`. False: the property is none of those.
bool get_task_property(const Source::Snapshot& seen, guint index, const GParamSpec* spec,
                       GValue* value);

}  // namespace veo::plugin
