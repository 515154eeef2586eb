// SPDX-License-Identifier: LGPL-2.1-or-later
//
// When to ask about a task again. Asking costs a request, not asking costs the time for which a
// finished video lies there unseen: the polls belong where completion is likely.
#pragma once

#include <chrono>
#include <optional>
#include <span>

namespace veo {

/// How long tasks of a kind take, as a lognormal distribution learned from those that are known,
/// and where polls should lie for it.
///
/// Pure arithmetic on what is known and what has elapsed. Of all ways to spend as many polls as a
/// fixed interval of 10 s would, the delay of detection is least if polls are as dense as the
/// square root of the hazard (the chance that a task that still runs ends now): with a density r,
/// the delay at the end is 1/(2r), the cost of a running task r, and the sum of both under the
/// distribution is least where r² is proportional to the hazard.
class GenerationTimes {
 public:
  /// Where few are known, `expected` (the catalog's) is worth a few more, of wide spread; then no
  /// wait is longer than a third of what was waited already, since it may be wrong altogether.
  /// nullopt: too little is known to say anything.
  static std::optional<GenerationTimes> learn(
      std::span<const std::chrono::milliseconds> known,
      std::optional<std::chrono::seconds> expected = std::nullopt);

  /// What is known of one task that has done `percent` of its work after `elapsed`: the estimate
  /// that this gives, if the work goes on as it did, and ours, each weighed by its precision. The
  /// service does not say what it means by progress: a start and a 100 % mean nothing.
  [[nodiscard]] GenerationTimes with_progress(std::chrono::milliseconds elapsed, int percent) const;

  /// Half of the tasks take no longer.
  [[nodiscard]] std::chrono::milliseconds median() const;

  /// The wait before the next poll of a task that has been running for `elapsed`: from 1 s to 60 s.
  [[nodiscard]] std::chrono::milliseconds compute_delay(std::chrono::milliseconds elapsed) const;

 private:
  GenerationTimes(double mu, double sigma, bool is_guess);
  [[nodiscard]] double compute_survival(double seconds) const;
  [[nodiscard]] double compute_hazard(double seconds) const;

  double mu_;     // of the logarithm of seconds
  double sigma_;  // likewise
  bool is_guess_;
  double scale_;  // polls a second, for each square root of hazard
};

/// The wait before the next query of a task that has been running for `elapsed`. With a fixed
/// interval: that one. Else as learned, and as the service says of its `percent`, told just now;
/// where nothing is known, a tenth of the elapsed time, within 1 s and 10 s, so that the delay of
/// detection stays in proportion to what was waited anyway.
std::chrono::milliseconds compute_poll_delay(
    std::chrono::milliseconds elapsed, std::chrono::milliseconds fixed,
    const std::optional<GenerationTimes>& learned = std::nullopt,
    std::optional<int> percent = std::nullopt);

}  // namespace veo
