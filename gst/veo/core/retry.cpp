// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/retry.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>

namespace veo {

std::chrono::milliseconds Backoff::compute_delay(
    unsigned attempt, double unit_random, std::optional<std::chrono::seconds> retry_after) const {
  using std::chrono::milliseconds;
  using Real = std::chrono::duration<double, std::milli>;
  // std::ldexp() returns infinity where an integer would overflow. std::min() then returns the cap.
  const Real window = std::min(Real(cap), Real(base) * std::ldexp(1.0, static_cast<int>(attempt)));
  const auto jitter = std::chrono::duration_cast<milliseconds>(window * unit_random);
  const milliseconds least = std::clamp<std::chrono::seconds>(
      retry_after.value_or(std::chrono::seconds(0)), std::chrono::seconds(0), max_retry_after);
  return least + jitter;
}

std::optional<std::chrono::seconds> parse_delta_seconds(std::string_view text) {
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (end != text.data() + text.size() || text.empty() || text.front() == '-') return std::nullopt;
  // A number that does not fit into 64 bits is still a number: it means the longest delay.
  if (error == std::errc::result_out_of_range) return std::chrono::hours(24 * 365);
  if (error != std::errc{}) return std::nullopt;
  return std::chrono::seconds(std::min<std::int64_t>(seconds, std::int64_t{86400} * 365));
}

}  // namespace veo
