// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The delay before another try.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace veo {

/// Exponential backoff with full jitter.
struct Backoff {
  std::chrono::milliseconds base{500};
  std::chrono::milliseconds cap{30'000};
  std::chrono::seconds max_retry_after{3600};

  /// Computes a random delay, uniform in [0, min(cap, base · 2^attempt)]. `attempt` counts from 0.
  /// `unit_random` is a random number from [0, 1). The service's `Retry-After` is added to the
  /// delay, but at most `max_retry_after`.
  [[nodiscard]] std::chrono::milliseconds compute_delay(
      unsigned attempt, double unit_random,
      std::optional<std::chrono::seconds> retry_after = std::nullopt) const;
};

/// Parses the delta-seconds form of a `Retry-After` header (RFC 9110, section 10.2.3), at most a
/// year. Returns nullopt for any other text. The transport parses the form with a date.
std::optional<std::chrono::seconds> parse_delta_seconds(std::string_view text);

}  // namespace veo
