// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the requests of a file of lines cost, before anything is sent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "batch_file.h"
#include "command.h"
#include "veo/core/budget.h"

namespace veo::cli {

struct LinePrice {
  bool is_paid = false;     ///< the task is paid already, or will not be submitted
  bool is_unknown = false;  ///< will not be submitted, because an earlier submission is unknown
  std::optional<std::uint32_t> credits = std::nullopt;
};

/// Prices the lines of a file, one after the other.
class LinePricer {
 public:
  /// Reads which submissions of the ledger are unknown: a run does not repeat them. nullopt:
  /// interrupted.
  static Waited<LinePricer> open(const Options& common, const std::shared_ptr<Wakeup>& wakeup);

  /// Finds the price of a request that has no mistake so far. A request that would be refused adds
  /// its mistake to `mistakes`, and has no price. Fails if the price cannot be found for another
  /// reason.
  Waited<std::optional<LinePrice>> price(const BatchRequest& request,
                                         std::map<std::size_t, std::string>& mistakes) const;

 private:
  std::set<std::string> unknown_;  // the intents
  std::shared_ptr<Wakeup> wakeup_;
};

/// The sum of the prices of the requests that a run submits.
class LineCost {
 public:
  void add(const LinePrice& price);
  [[nodiscard]] std::size_t to_submit() const { return to_submit_; }
  /// How many requests are not repeated, because an earlier submission is unknown.
  [[nodiscard]] std::size_t unknown() const { return unknown_; }
  /// nullopt: the catalog does not know the price of at least one request.
  [[nodiscard]] std::optional<Credits> credits() const {
    return unpriced_ == 0 ? std::optional(credits_) : std::nullopt;
  }
  /// `80 credits`, `80 credits, and 3 of unknown price`, `an unknown price`
  [[nodiscard]] std::string describe() const;
  /// Describes the plan for so many requests that a run still has to make: `2 paid already, 1 to
  /// submit for 40 credits`.
  [[nodiscard]] std::string describe_plan(std::size_t requests) const;

 private:
  std::size_t to_submit_ = 0;
  std::size_t unknown_ = 0;
  std::size_t unpriced_ = 0;
  Credits credits_ = 0;  // of the requests whose price is known
};

/// Who must agree to a cost.
struct Approval {
  std::string what;   ///< the name of the work at the start of a sentence: `The batch`
  Credits limit = 0;  ///< of --max-credits; 0: none
  bool yes = false;   ///< the user has agreed with --yes
  /// A part of the work is worth nothing, so VEO_DAILY_BUDGET must suffice for all of it.
  bool needs_all = false;
};

/// Checks whether the run may spend the cost, and whether there is a key. Then asks the user, if
/// the command runs in a terminal and nobody has said --yes. Returns whether the user agrees;
/// nullopt: interrupted. Fails with the reason why the run may not spend the cost.
Waited<bool> approve(Session& session, Display& display, const Arguments& arguments,
                     const Options& common, const LineCost& cost, const Approval& approval);

}  // namespace veo::cli
