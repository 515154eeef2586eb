// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How fast one key may ask one API, learned from the API itself: nothing is documented but the 429.
#pragma once

#include <chrono>
#include <optional>

namespace veo {

/// As fast as wanted, until the service says 429. Then nothing at all for as long as it says, and
/// afterwards at half the speed, which comes back slowly:
///
///   interval   0 ──429──► 100 ms ──429──► 200 ms … 10 s
///              ▲                │
///              └── good answers ┘   a tenth less with each
///
/// Answers to what left before a 429 say nothing new: several of them are one.
class RateLimit {
 public:
  /// Monotonic. The type only: nobody here asks the clock.
  using Time = std::chrono::steady_clock::time_point;
  using RetryAfter = std::optional<std::chrono::seconds>;

  /// When the next request may leave: `now`, or later.
  [[nodiscard]] Time find_next_time(Time now) const;
  /// A request leaves.
  void on_sent(Time now);
  /// An answer to a request that left at `sent`: a good one, or one that says 429 (or, with
  /// Retry-After, 503).
  void on_good_answer(Time sent);
  void on_limited(Time sent, Time now, RetryAfter retry_after);

 private:
  std::chrono::microseconds interval_{0};
  Time last_{};
  Time held_until_{};
  Time limited_at_{};
};

}  // namespace veo
