// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Copies of the ledger. A copy is one file without companions, and has all changes that were
// committed before the copy began.
#pragma once

#include <string>

#include "sqlite.h"
#include "veo/core/ledger_copy.h"
#include "veo/core/result.h"

namespace veo {

/// Copies the database to the new file `file`, which only this user can read. The copy is on the
/// disk when the call returns without an error. Other connections may read and write meanwhile.
/// Fails with invalid_request if `file` exists, and with ledger if the copy cannot be made; then
/// there is no file `file`.
Result<LedgerCopy> back_up_database(sqlite3* database, const std::string& file);

}  // namespace veo
