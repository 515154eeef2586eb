// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The schedule of polls: when to query a task again. A poll costs a request. A late poll costs
// time, because a finished video waits unnoticed. So polls should be dense where completion is
// likely.
#pragma once

#include <chrono>
#include <optional>
#include <span>

namespace veo {

/// A model of the time that a generation takes: a lognormal distribution, learned from the times of
/// finished tasks. The model decides when to poll.
///
/// The model may spend as many polls as a fixed interval of 10 s would. With this budget, the
/// detection of the end is fastest if the density of polls is proportional to the square root of
/// the hazard. (The hazard is the probability, per second, that a task that still runs ends now.)
/// The reason: with a density r, the mean delay at the end is 1/(2r), and a running task costs r
/// polls per second. The sum of both costs over the distribution is least if r² is proportional to
/// the hazard.
class GenerationTimes {
 public:
  /// Learns from `known`, the times of finished tasks of this kind. With fewer than five times, the
  /// catalog's estimate `expected` counts as two more times with a wide spread. Then no wait is
  /// longer than a third of the elapsed time, because the estimate may be wrong. Returns nullopt if
  /// there are fewer than five times and no estimate.
  static std::optional<GenerationTimes> learn(
      std::span<const std::chrono::milliseconds> known,
      std::optional<std::chrono::seconds> expected = std::nullopt);

  /// Returns the model of one task that has done `percent` of its work after `elapsed`. The
  /// progress gives a second estimate of the end, if the work goes on at the same speed. The result
  /// combines both estimates, each weighted by its precision. Values below 5 and above 99 change
  /// nothing, because the service does not document its progress.
  [[nodiscard]] GenerationTimes with_progress(std::chrono::milliseconds elapsed, int percent) const;

  /// The median of the distribution.
  [[nodiscard]] std::chrono::milliseconds median() const;

  /// Computes the wait before the next poll of a task that has run for `elapsed`: 1 s to 60 s.
  [[nodiscard]] std::chrono::milliseconds compute_delay(std::chrono::milliseconds elapsed) const;

 private:
  GenerationTimes(double mu, double sigma, bool is_guess);
  [[nodiscard]] double compute_survival(double seconds) const;
  [[nodiscard]] double compute_hazard(double seconds) const;

  double mu_;      // the mean of the logarithm of the time in seconds
  double sigma_;   // the standard deviation of this logarithm
  bool is_guess_;  // the catalog's estimate is part of the model
  double scale_;   // the density of polls divided by the square root of the hazard
};

/// Computes the wait before the next query of a task that has run for `elapsed`. If `fixed` is not
/// 0, the wait is `fixed`. Otherwise the model `learned` decides, together with `percent`, the
/// progress in the service's last answer. Without a model the wait is a tenth of `elapsed`, but at
/// least 1 s and at most 10 s, so that the delay of the detection is small compared with the wait
/// before it.
std::chrono::milliseconds compute_poll_delay(
    std::chrono::milliseconds elapsed, std::chrono::milliseconds fixed,
    const std::optional<GenerationTimes>& learned = std::nullopt,
    std::optional<int> percent = std::nullopt);

}  // namespace veo
