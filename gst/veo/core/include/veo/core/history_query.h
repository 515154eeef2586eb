// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "veo/core/record.h"

namespace veo {

/// A query for records of the ledger. The result begins with the newest record, by the time of its
/// reservation. Records of the same time come in the order in which they were made.
struct HistoryQuery {
  /// The position of one record in the result.
  struct Place {
    UnixTime reserved_at{};
    std::int64_t id = 0;
  };

  std::vector<RecordState>
      states;                     ///< only records in these states, each named once; empty for all
  std::optional<UnixTime> since;  ///< only records that were reserved at this time or later
  std::string task_id;            ///< only records of this task; empty for all
  std::size_t limit = 0;          ///< at most this many records; 0 for all
  std::optional<Place> after;     ///< only records that follow this one, for the next page
};

}  // namespace veo
