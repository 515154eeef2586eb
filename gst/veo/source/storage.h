// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where the ledger and the cache are. The user's setting comes first, then the environment, then
// the XDG base directories (https://specifications.freedesktop.org/basedir-spec/).
#pragma once

#include <string>

namespace veo {

// Both are absolute, because the application may change its directory at any time.

/// Returns `set`; if it is empty, `VEO_LEDGER`, else `$XDG_STATE_HOME/veo/ledger.db`.
std::string ledger_path(const std::string& set);
/// Returns `set`; if it is empty, `VEO_CACHE_DIR`, else `$XDG_CACHE_HOME/veo`.
std::string cache_directory(const std::string& set);

}  // namespace veo
