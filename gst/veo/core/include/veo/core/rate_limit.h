// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The speed at which one key may send requests to one API. The service documents no limit, only the
// answer 429, so the limit is learned from its answers.
#pragma once

#include <chrono>
#include <optional>

namespace veo {

/// Requests leave without a limit until the service answers 429. Then no request leaves for as long
/// as the service asks. After that, requests leave with an interval between them. Each further 429
/// doubles the interval; each good answer shortens it:
///
///   interval   0 ──429──► 100 ms ──429──► 200 ms … 10 s
///              ▲                │
///              └── good answers ┘   each takes a tenth off
///
/// Answers to requests that were sent before the last 429 do not change the interval: many 429s at
/// once count as one. Not thread-safe.
class RateLimit {
 public:
  /// Monotonic time. The caller passes it; this class reads no clock.
  using Time = std::chrono::steady_clock::time_point;
  using RetryAfter = std::optional<std::chrono::seconds>;

  /// Finds the time at which the next request may be sent: `now` or later.
  [[nodiscard]] Time find_next_time(Time now) const;
  /// A request is sent.
  void on_sent(Time now);
  /// The service has answered a request that was sent at `sent`, and has not asked to slow down.
  void on_good_answer(Time sent);
  /// The service has answered 429, or 503 with Retry-After, to a request that was sent at `sent`.
  /// Without `retry_after` no request leaves for 1 s.
  void on_limited(Time sent, Time now, RetryAfter retry_after);

 private:
  std::chrono::microseconds interval_{0};
  Time last_{};
  Time held_until_{};
  Time limited_at_{};
};

}  // namespace veo
