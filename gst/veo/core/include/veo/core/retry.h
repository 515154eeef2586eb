// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How long to wait before trying again.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace veo {

/// Exponential backoff with full jitter: uniform in [0, min(cap, base · 2^attempt)], where
/// `attempt` counts from 0 and `unit_random` is a draw from [0, 1). A `Retry-After` of the service
/// is a lower bound, to which the jitter is added; beyond `max_retry_after` it is cut.
struct Backoff {
  std::chrono::milliseconds base{500};
  std::chrono::milliseconds cap{30'000};
  std::chrono::seconds max_retry_after{3600};

  [[nodiscard]] std::chrono::milliseconds compute_delay(
      unsigned attempt, double unit_random,
      std::optional<std::chrono::seconds> retry_after = std::nullopt) const;
};

/// The delay that a `Retry-After` header asks for (RFC 9110 §10.2.3): its delta-seconds form here;
/// the transport resolves dates.
std::optional<std::chrono::seconds> parse_delta_seconds(std::string_view text);

}  // namespace veo
