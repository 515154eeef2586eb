// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The objects that `veo --json` prints, and their members: a row for each member. What has no row
// is not printed. docs/reference/json.md prints the rows.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string_view>

namespace veo::cli {

struct EventRow {
  std::string_view event;
  std::string_view
      member;             ///< `error.code`: a member of the member `error`. Empty: the event itself
  std::string_view type;  ///< of the value; each value may be null. Empty for the event itself
  std::string_view meaning;
};

/// Returns all rows. The row of an event comes before the rows of its members.
std::span<const EventRow> event_table();

/// Returns what may be printed of the object. Null: its event has no row.
nlohmann::json keep_listed_members(const nlohmann::json& object);

}  // namespace veo::cli
