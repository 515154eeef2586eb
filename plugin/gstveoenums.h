// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The library's enums as GObject types. An option's enum is made from the choices of its row.
#pragma once

#include <glib-object.h>

#include "veo/options/option.h"

namespace veo::plugin {

/// Returns the type of the option's enum. The first call registers the enum. `option` is a row of
/// the table that has choices.
GType enum_type_of(const Option& option);

}  // namespace veo::plugin

G_BEGIN_DECLS

#define GST_TYPE_VEO_TASK_STATUS (gst_veo_task_status_get_type())
GType gst_veo_task_status_get_type(void);

G_END_DECLS
