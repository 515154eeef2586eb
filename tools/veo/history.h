// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Shows the ledger's records, that is, what was made and paid, as a table or a page.
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

/// The sums over the records of one API. Credits are estimates of the catalog that was valid then.
struct Total {
  std::string api_url;
  bool is_play_money = false;  ///< the API is a simulator on this machine
  std::size_t tasks = 0;       ///< tasks that the service has made or is making
  std::uint64_t credits = 0;   ///< credits that were spent on these tasks
  std::size_t unpriced = 0;    ///< how many of these tasks have an unknown price
  std::uint64_t in_doubt = 0;  ///< the part of `credits` for unknown submissions
};

/// Adds records to the totals. There is a total for each API, and the API of the newest record
/// comes first. The records must be older than the records that were added before.
void add(std::vector<Total>& totals, const Records& records);
std::vector<Total> total_of(const Records& records);

/// Returns what the record's task has cost. nullopt: the cost is unknown.
std::optional<std::uint32_t> cost_of(const Record& record);
/// `40`, or `?` if the cost is unknown. This text is for people.
std::string cost_text(const Record& record);
/// `credits`, or `credits of play money`.
std::string credits_text(const Total& total);
/// Returns the total as a sentence. `names_api`: the sentence names the API, because there are
/// several.
std::string total_text(const Total& total, bool names_api);
/// Whether the record's clip is in the cache.
bool is_cached(const Record& record);
/// `fast 720p`. Empty: the mode is unknown.
std::string mode_text(const Record& record);
/// `2026-11-23 05:15`, in the local time zone.
std::string time_text(UnixTime time, const char* form = "%Y-%m-%d %H:%M");
/// `2026-11-23T05:15:18Z`
std::string iso_text(UnixTime time);

/// Returns a table with a line for each record. A record has two lines if the terminal's `columns`
/// are too few for one line. Without a terminal (nullopt) the table cuts no text.
std::string history_table(const Records& records, std::optional<std::size_t> columns);
/// Returns a table with a line for each record. The last column has the file in the cache, bit for
/// bit as it was delivered, and is never cut.
std::string history_table_of_files(const Records& records);

/// Returns a page that needs no other file to be read, and plays the videos in the cache. Reads
/// these videos to make thumbnails. Without `media` the page has no thumbnails. `path` is where the
/// page will be; empty: not known. nullopt: an interruption ended the reading.
std::optional<std::string> history_page(const Records& records, const media::Library* media,
                                        const std::string& path, const Interruption& interruption);

}  // namespace veo::cli
