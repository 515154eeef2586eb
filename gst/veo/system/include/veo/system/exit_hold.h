// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <memory>

namespace veo {

/// Work that is worth a moment of the process's end: a whole clip on its way into the cache, a file
/// that is to be removed. An exit waits up to 2 s while somebody holds the result. Any thread; at
/// once.
[[nodiscard]] std::shared_ptr<const void> hold_exit();

}  // namespace veo
