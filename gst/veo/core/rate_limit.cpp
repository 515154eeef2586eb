// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/rate_limit.h"

#include <algorithm>

#include "veo/core/retry.h"

namespace veo {

using namespace std::chrono_literals;

namespace {

constexpr std::chrono::microseconds first_interval = 100ms;
constexpr std::chrono::microseconds longest_interval = 10s;
/// A shorter interval becomes 0.
constexpr std::chrono::microseconds shortest_interval = 2ms;
/// The pause after a 429 without Retry-After.
constexpr std::chrono::seconds usual_hold = 1s;

}  // namespace

RateLimit::Time RateLimit::find_next_time(Time now) const {
  return std::max({now, held_until_, last_ + interval_});
}

void RateLimit::on_sent(Time now) { last_ = now; }

void RateLimit::on_good_answer(Time sent) {
  if (sent < limited_at_) return;
  interval_ -= interval_ / 10;
  if (interval_ < shortest_interval) interval_ = 0us;
}

void RateLimit::on_limited(Time sent, Time now, RetryAfter retry_after) {
  const auto hold = std::clamp<std::chrono::seconds>(retry_after.value_or(usual_hold), 0s,
                                                     Backoff{}.max_retry_after);
  held_until_ = std::max(held_until_, now + hold);
  if (sent < limited_at_) return;
  limited_at_ = now;
  interval_ = std::clamp(2 * interval_, first_interval, longest_interval);
}

}  // namespace veo
