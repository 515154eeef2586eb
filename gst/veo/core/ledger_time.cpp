// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/ledger_time.h"

#include <algorithm>

namespace veo {

namespace {

using std::chrono::milliseconds;

// Another program may have written any number into the ledger. Numbers within this limit can be
// added and subtracted without an overflow.
constexpr milliseconds limit{std::int64_t{1} << 60};

milliseconds bound(milliseconds time) { return std::clamp(time, -limit, limit); }

milliseconds find_difference(milliseconds from, milliseconds to) {
  return std::max(milliseconds(0), bound(to) - bound(from));
}

}  // namespace

void LedgerClock::advance(const ClockReading& now) {
  if (now.boot.empty() && !last.boot.empty()) return;
  if (last.boot.empty() && !now.boot.empty()) {
    last = now;
    return;
  }
  const bool is_same_boot = !now.boot.empty() && now.boot == last.boot;
  // Another process may have read its clocks later and written first.
  if (is_same_boot && now.uptime <= last.uptime) return;
  const auto passed =
      is_same_boot ? find_difference(last.uptime, now.uptime)
                   : find_difference(last.wall.time_since_epoch(), now.wall.time_since_epoch());
  time = LedgerTime(bound(bound(time.time_since_epoch()) + passed));
  last = now;
}

UnixTime find_date(LedgerTime time, const LedgerClock& clock) {
  const auto age = find_difference(time.time_since_epoch(), clock.time.time_since_epoch());
  return clock.last.wall - age;
}

}  // namespace veo
