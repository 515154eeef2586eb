// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The time by which the ledger counts. People read the wall clock, but anybody can set it, so no
// rule about money may depend on it. Each row of the ledger has both: the wall clock's date for
// people, and a ledger time for the rules.
//
//   wall clock   ── 10:00 ── 10:05 ── 2036 ──── 2036 ── 10:20 ──►   may jump in both directions
//   ledger time  ──   0 ────   5 ────   10 ───   15 ────  20  ──►   never goes back
//
// The ledger keeps the readings of its last change. Ledger time advances by what the machine's
// uptime says has passed since then. If the machine was started anew in between, only the wall
// clock can tell, and a wall clock that went back counts as no time.
#pragma once

#include <chrono>
#include <string>
#include <utility>

namespace veo {

/// Wall clock, UTC.
using UnixTime = std::chrono::sys_time<std::chrono::milliseconds>;

/// What the machine's clocks say at one moment.
struct ClockReading {
  ClockReading() = default;
  /// A reading of the wall clock alone is enough where nothing else is known.
  ClockReading(UnixTime date, std::string boot_id = {}, std::chrono::milliseconds since_boot = {})
      : wall(date), boot(std::move(boot_id)), uptime(since_boot) {}

  UnixTime wall{};
  std::string boot;                     ///< tells apart the starts of the machine; empty: not known
  std::chrono::milliseconds uptime{0};  ///< since that start, with the time asleep
  bool operator==(const ClockReading&) const = default;
};

struct LedgerEpoch;
/// A moment in the time of one ledger. The moments of two ledgers cannot be compared.
using LedgerTime = std::chrono::time_point<LedgerEpoch, std::chrono::milliseconds>;

/// The clock of one ledger, as its last change has left it.
struct LedgerClock {
  ClockReading last;  ///< the readings at the last change
  LedgerTime time{};  ///< the ledger time of that change

  /// Goes on to `now`. Within one boot, time advances by the difference of the uptimes. Between two
  /// boots, and if no reading names its boot, time advances by the difference of the wall clocks. A
  /// negative difference counts as 0. If only one of the two readings names its boot, no time
  /// passes, because the wall clock alone may have jumped, and the reading that names its boot is
  /// kept.
  void advance(const ClockReading& now);
  bool operator==(const LedgerClock&) const = default;
};

/// Returns the date of the moment `time`, if `clock` is advanced to now. Assumes that the wall
/// clock is right now.
UnixTime find_date(LedgerTime time, const LedgerClock& clock);

}  // namespace veo
