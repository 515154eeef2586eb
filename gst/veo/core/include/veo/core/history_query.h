// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "veo/core/record.h"

namespace veo {

/// Which records are asked for: newest first, by the time of their reservation, and of one time in
/// the order in which they were made.
struct HistoryQuery {
  struct Place {
    UnixTime reserved_at{};
    std::int64_t id = 0;
  };

  std::vector<RecordState> states;  ///< each once; none: all
  std::optional<UnixTime> since;    ///< reserved then or later
  std::string task_id;              ///< set: of that task alone
  std::size_t limit = 0;            ///< so many at most; 0: all
  std::optional<Place> after;       ///< those behind it alone: for one page after the other
};

}  // namespace veo
