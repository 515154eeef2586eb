// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "veo/core/record.h"

namespace veo {

/// A query for records of the ledger. The result begins with the record that was made last. Dates
/// do not decide the order, because a clock may have been wrong for a while.
struct HistoryQuery {
  std::vector<RecordState>
      states;                     ///< only records in these states, each named once; empty for all
  std::optional<UnixTime> since;  ///< only records that are dated at this time or later
  std::string task_id;            ///< only records of this task; empty for all
  std::size_t limit = 0;          ///< at most this many records; 0 for all
  /// Only records that follow the record with this id, for the next page.
  std::optional<std::int64_t> after;
};

}  // namespace veo
