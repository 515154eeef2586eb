// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <glib.h>

#include <memory>

namespace veo {

struct OwnedTextFree {
  void operator()(char* text) const { g_free(text); }
};
/// A text that GLib has allocated.
using OwnedText = std::unique_ptr<char, OwnedTextFree>;

}  // namespace veo
