// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>

namespace veo {

/// The content of a copy of the ledger.
struct LedgerCopy {
  std::uint64_t rows = 0;
  std::uint64_t tasks = 0;  ///< rows that have a task id
};

}  // namespace veo
