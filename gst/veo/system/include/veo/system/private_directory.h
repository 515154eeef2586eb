// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

#include "veo/core/result.h"
#include "veo/system/file_handle.h"

namespace veo {

/// Opens the directory. If the directory is missing, makes it and its missing parents (mode 0700).
/// The directory must belong to this user, and no other user may write there, because a file that
/// others can replace cannot be trusted. Fails with `code` (ledger or cache). The text begins with
/// `what`, names the first folder that failed, and says which setting names another folder.
Result<FileHandle> open_private_directory(const std::string& path, ErrorCode code,
                                          const std::string& what);

}  // namespace veo
