// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where the ledger and the clips are: as the user set it, else as the environment says, else in the
// XDG base directories (https://specifications.freedesktop.org/basedir-spec/).
#pragma once

#include <string>

namespace veo {

/// `VEO_LEDGER`, else `$XDG_STATE_HOME/veo/ledger.db`.
std::string ledger_path(const std::string& set);
/// `VEO_CACHE_DIR`, else `$XDG_CACHE_HOME/veo`.
std::string cache_directory(const std::string& set);

}  // namespace veo
