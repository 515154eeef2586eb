// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What was made and paid, by the ledger: as a table, as a page.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "interruption.h"
#include "veo/core/record.h"
#include "veo/core/result.h"
#include "veo/media/library.h"

namespace veo::cli {

/// Newest first.
using Records = std::vector<Record>;

/// What the records at one API come to. Credits are estimates, by the catalog of their time.
struct Total {
  std::string api_url;
  std::size_t tasks = 0;       ///< that the service has made, or is making
  std::uint64_t credits = 0;   ///< spent on them
  std::size_t unpriced = 0;    ///< of them, those whose price is unknown
  std::uint64_t in_doubt = 0;  ///< part of `credits`: of unknown submissions
};

/// One for each API, that with the newest record first. Adds records that are older than those that
/// are in.
void add(std::vector<Total>& totals, const Records& records);
std::vector<Total> total_of(const Records& records);

/// What a record has cost; nullopt: that is unknown.
std::optional<std::uint32_t> cost_of(const Record& record);
/// `40`, `?`: for people.
std::string cost_text(const Record& record);
/// The sum in a sentence; `names_api`: since there are several.
std::string total_text(const Total& total, bool names_api);
/// Whether its clip is in the cache.
bool is_cached(const Record& record);
/// `fast 720p`; empty: unknown.
std::string mode_text(const Record& record);
/// `2026-11-23 05:15`, here.
std::string time_text(UnixTime time, const char* form = "%Y-%m-%d %H:%M");
/// `2026-11-23T05:15:18Z`
std::string iso_text(UnixTime time);

/// One line for each record; where `columns` (of a terminal) are too few for that, two. Without a
/// terminal nothing is cut.
std::string history_table(const Records& records, std::optional<std::size_t> columns);

/// A page that needs no other file. Reads the clips that are in the cache for their thumbnails;
/// without `media` the page has none. nullopt: the reading was interrupted.
std::optional<std::string> history_page(const Records& records, const media::Library* media,
                                        const Interruption& interruption);

}  // namespace veo::cli
