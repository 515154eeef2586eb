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

constexpr std::size_t enough = 5;
// What the estimate of so few is worth: a wider spread than they show, which costs little if it is
// wrong, where one that is too narrow would look away from half of all tasks.
constexpr double doubt = 0.5;
constexpr double doubt_weight = 2.0;
constexpr double narrowest = 0.05;
constexpr double margin =
    0.97;  // of the polls that may be spent: the estimate is never quite right
/// Whose polls may be spent.
constexpr double peer_interval = 10.0;
constexpr Seconds least = 1s;
constexpr Seconds most = 60s;
constexpr double step = 0.25;  // of the integrals, in seconds

}  // namespace

GenerationTimes::GenerationTimes(double mu, double sigma) : mu_(mu), sigma_(sigma), scale_(0) {
  // A fixed interval takes one poll for each interval that a task reaches into, and so do we, with
  // half a poll more than our density says, since the last one comes after the end.
  double budget = 0;
  for (double t = 0; still_running(t) > 1e-6; t += peer_interval) budget += still_running(t);
  double wanted = 0;
  for (double t = step / 2; still_running(t) > 1e-6; t += step) {
    wanted += std::sqrt(hazard(t)) * still_running(t) * step;
  }
  scale_ = margin * (budget - 0.5) / wanted;
}

std::optional<GenerationTimes> GenerationTimes::learn(std::span<const milliseconds> known) {
  if (known.size() < enough) return std::nullopt;
  const auto count = static_cast<double>(known.size());
  const auto logarithm = [](milliseconds time) {
    return std::log(std::max(Seconds(time).count(), 0.1));
  };
  double mu = 0;
  for (const auto time : known) mu += logarithm(time) / count;
  double squares = doubt_weight * doubt * doubt;
  for (const auto time : known) squares += std::pow(logarithm(time) - mu, 2);
  return GenerationTimes(mu, std::max(std::sqrt(squares / (count + doubt_weight)), narrowest));
}

double GenerationTimes::still_running(double seconds) const {
  if (seconds <= 0) return 1;
  return 0.5 * std::erfc((std::log(seconds) - mu_) / (sigma_ * std::numbers::sqrt2));
}

double GenerationTimes::hazard(double seconds) const {
  const double z = (std::log(seconds) - mu_) / sigma_;
  // Mills' ratio: far in the tail both density and survivors vanish, but not their quotient.
  if (z > 6) return z / (sigma_ * seconds);
  const double density =
      std::exp(-z * z / 2) / (seconds * sigma_ * std::sqrt(2 * std::numbers::pi));
  return density / still_running(seconds);
}

milliseconds GenerationTimes::delay(milliseconds elapsed) const {
  const double from = Seconds(elapsed).count();
  // The next poll is due when the density since the last one adds up to one.
  double due = 0;
  double wait = 0;
  while (due < 1 && wait < most.count()) {
    due += scale_ * std::sqrt(hazard(from + wait + step / 2)) * step;
    wait += step;
  }
  return std::chrono::round<milliseconds>(std::clamp(Seconds(wait), least, most));
}

milliseconds poll_delay(milliseconds elapsed, milliseconds fixed,
                        const std::optional<GenerationTimes>& learned) {
  if (fixed > 0ms) return fixed;
  if (learned) return learned->delay(elapsed);
  return std::clamp<milliseconds>(elapsed / 10, 1s, 10s);
}

}  // namespace veo
