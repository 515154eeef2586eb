// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

#include "veo/core/result.h"
#include "veo/system/file_handle.h"

namespace veo {

/// Opens the directory, made with its missing parents where there is none (mode 0700). It must be
/// this user's own, and nobody else may write there: what others may exchange cannot be trusted.
/// Fails with `code` (ledger or cache), in words that begin with `what`.
Result<FileHandle> open_private_directory(const std::string& path, ErrorCode code,
                                          const std::string& what);

}  // namespace veo
