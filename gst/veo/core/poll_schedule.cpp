// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/poll_schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace veo {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

namespace {

using Seconds = std::chrono::duration<double>;

// With this many known times the catalog's estimate is no longer used.
constexpr std::size_t enough = 5;
// A few times show too narrow a spread, and a model that is too narrow would hardly poll at the end
// of half of all tasks. So the learned spread is widened: `doubt` counts like the spread of
// `doubt_weight` more times. A spread that is too wide costs little.
constexpr double doubt = 0.5;
constexpr double doubt_weight = 2.0;
constexpr double narrowest = 0.05;
// The catalog's estimate counts like `guess_weight` known times with this spread.
constexpr double guess_weight = 2.0;
constexpr double guess_spread = 0.8;
// With the catalog's estimate, a wait is at most the elapsed time divided by this.
constexpr int guess_patience = 3;
// The error of the end that the progress predicts, as a standard deviation of the logarithm: at the
// start of a task, and near its end.
constexpr double early_spread = 0.4;
constexpr double late_spread = 0.2;
// The progress is used within these bounds only, in percent.
constexpr int least_progress = 5;
constexpr int most_progress = 99;
// The part of the budget of polls that is used. A reserve is needed because no estimate is exact.
constexpr double margin = 0.97;
// The budget is the number of polls with this fixed interval, in seconds.
constexpr double peer_interval = 10.0;
// The bounds of a wait.
constexpr Seconds least = 1s;
constexpr Seconds most = 60s;
// The step of the sum up to the next poll, in seconds.
constexpr double step = 0.25;
// The step and the bound of the integral over the distribution, in standard deviations.
constexpr double z_step = 0.05;
constexpr double z_most = 6;
// The end of the sum over the polls of a fixed interval, in seconds. No task takes longer.
constexpr double longest = 86'400;

}  // namespace

GenerationTimes::GenerationTimes(double mu, double sigma, bool is_guess)
    : mu_(mu), sigma_(sigma), is_guess_(is_guess), scale_(0) {
  // A fixed interval costs one poll for each interval that a task enters. This schedule costs the
  // integral of its density and half a poll more, because the last poll comes after the end.
  double budget = 0;
  for (double t = 0; compute_survival(t) > 1e-6 && t < longest; t += peer_interval) {
    budget += compute_survival(t);
  }
  double wanted = 0;
  for (double z = -z_most; z < z_most; z += z_step) {
    const double t = std::exp(mu_ + sigma_ * z);
    wanted += std::sqrt(compute_hazard(t)) * compute_survival(t) * t * sigma_ * z_step;
  }
  scale_ = margin * (budget - 0.5) / wanted;
}

std::optional<GenerationTimes> GenerationTimes::learn(
    std::span<const milliseconds> known, std::optional<std::chrono::seconds> expected) {
  const bool is_guess = known.size() < enough;
  if (is_guess && !expected) return std::nullopt;
  const auto logarithm = [](milliseconds time) {
    return std::log(std::max(Seconds(time).count(), 0.1));
  };
  const double supposed = is_guess ? logarithm(*expected) : 0;
  const double weight = is_guess ? guess_weight : 0;
  const auto count = static_cast<double>(known.size()) + weight;
  double mu = supposed * weight / count;
  for (const auto time : known) mu += logarithm(time) / count;
  double squares = doubt_weight * doubt * doubt;
  if (is_guess) squares = weight * (std::pow(guess_spread, 2) + std::pow(supposed - mu, 2));
  for (const auto time : known) squares += std::pow(logarithm(time) - mu, 2);
  const double of = is_guess ? count : count + doubt_weight;
  return GenerationTimes(mu, std::max(std::sqrt(squares / of), narrowest), is_guess);
}

GenerationTimes GenerationTimes::with_progress(milliseconds elapsed, int percent) const {
  if (percent < least_progress || percent > most_progress || elapsed < least) return *this;
  const double end = std::log(Seconds(elapsed).count() * 100 / percent);
  const double ours = 1 / (sigma_ * sigma_);
  const double its = std::pow(early_spread + (late_spread - early_spread) * percent / 100, -2);
  return {(mu_ * ours + end * its) / (ours + its), 1 / std::sqrt(ours + its), is_guess_};
}

double GenerationTimes::compute_survival(double seconds) const {
  if (seconds <= 0) return 1;
  return 0.5 * std::erfc((std::log(seconds) - mu_) / (sigma_ * std::numbers::sqrt2));
}

double GenerationTimes::compute_hazard(double seconds) const {
  const double z = (std::log(seconds) - mu_) / sigma_;
  // Far from the mean, the density and the survival are both 0 in floating point, but their
  // quotient is not. Mills' ratio gives it.
  if (z > 6) return z / (sigma_ * seconds);
  const double density =
      std::exp(-z * z / 2) / (seconds * sigma_ * std::sqrt(2 * std::numbers::pi));
  return density / compute_survival(seconds);
}

milliseconds GenerationTimes::median() const {
  return std::chrono::round<milliseconds>(Seconds(std::exp(mu_)));
}

milliseconds GenerationTimes::compute_delay(milliseconds elapsed) const {
  const double from = Seconds(elapsed).count();
  // The next poll is due when the integral of the density since the last poll is 1.
  double due = 0;
  double wait = 0;
  while (due < 1 && wait < most.count()) {
    due += scale_ * std::sqrt(compute_hazard(from + wait + step / 2)) * step;
    wait += step;
  }
  const Seconds longest_wait =
      is_guess_ ? std::max<Seconds>(Seconds(elapsed) / guess_patience, least) : most;
  return std::chrono::round<milliseconds>(
      std::clamp(std::min(Seconds(wait), longest_wait), least, most));
}

milliseconds compute_poll_delay(milliseconds elapsed, milliseconds fixed,
                                const std::optional<GenerationTimes>& learned,
                                std::optional<int> percent) {
  if (fixed > 0ms) return fixed;
  if (learned && percent) return learned->with_progress(elapsed, *percent).compute_delay(elapsed);
  if (learned) return learned->compute_delay(elapsed);
  return std::clamp<milliseconds>(elapsed / 10, 1s, 10s);
}

}  // namespace veo
