// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The properties of the elements that submit tasks. The row of an option
// (veo/options/option_table.h) makes its property, so the property has one meaning in every
// element.
#pragma once

#include <gst/gst.h>

#include <optional>
#include <string>

#include "veo/options/option_table.h"
#include "veo/source/source.h"

namespace veo::plugin {

/// An element with this flag heeds a new value when it starts the next time.
inline constexpr auto ready_to_change = static_cast<GParamFlags>(GST_PARAM_MUTABLE_READY);

struct ElementSettings {
  Options source;
  std::string uri;                 ///< as the application set it; empty: none
  std::optional<Error> uri_error;  ///< why the URI cannot be used
};

/// Installs a property for each option that `element` may set. The id of a property is the place of
/// the option's row in the table, from 1. Also marks the enums as API of the plugin. Returns the
/// first free id. `changeable` says in which states the element heeds a new value.
guint install_properties(GObjectClass* object_class, OptionSetter element,
                         GParamFlags changeable = ready_to_change);

/// Both return false if no option has this `id`. The caller holds the lock of `settings`.
bool set_property(ElementSettings& settings, guint id, const GValue* value);
bool get_property(const ElementSettings& settings, guint id, GValue* value);

/// Installs `status` and `stats` with the ids `first` and `first + 1`. The running task supplies
/// their values. Returns the first free id.
guint install_task_properties(GObjectClass* object_class, guint first);
/// Reads `status`, `stats` or, if the running task has an id, `task-id`. `index` is the property's
/// id minus `first`. False: the property is none of these.
bool get_task_property(const Source::Snapshot& seen, guint index, const GParamSpec* spec,
                       GValue* value);

}  // namespace veo::plugin
