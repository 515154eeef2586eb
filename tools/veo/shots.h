// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The shots of a storyboard, with what is known of each before anything is sent: which shot it
// continues, whether it is paid, and what it costs.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "line_cost.h"
#include "storyboard.h"

namespace veo::cli {

struct Shot {
  enum class State { waits, runs, completed, failed, not_submitted };

  BatchRequest request;
  std::optional<std::size_t> parent = std::nullopt;  ///< index of the shot that this one continues
  LinePrice price = {};
  State state = State::waits;
  std::string task_id = {};      ///< empty: not known yet
  std::string upstream_id = {};  ///< by which the service knows the task, if it differs
  bool is_named = false;         ///< people were told which task the shot has
};

class Shots {
 public:
  /// Reads the storyboard and prices its shots. `common` supplies the options that all shots share.
  /// nullopt: interrupted. Fails with the mistakes of all lines, with the errors of
  /// read_storyboard(), or with the reason why a price cannot be found.
  static Waited<Shots> read(const std::string& path, const Options& common,
                            const Patience& patience, const std::shared_ptr<Wakeup>& wakeup);

  [[nodiscard]] std::vector<Shot>& list() { return shots_; }
  [[nodiscard]] const std::vector<Shot>& list() const { return shots_; }
  /// Returns the shot that the shot continues; null: it continues none.
  [[nodiscard]] const Shot* parent_of(const Shot& shot) const;
  /// Makes the shot continue its parent's task, if that task is known.
  void set_parent_task(Shot& shot) const;
  /// What the shots cost that a run submits.
  [[nodiscard]] const LineCost& cost() const { return cost_; }
  /// Returns the tasks of each chain. Call chains() when all tasks are known.
  [[nodiscard]] std::vector<std::vector<std::string>> chains() const;

 private:
  /// Prices all shots, and adds the mistakes that the catalog finds. nullopt: interrupted.
  Waited<void> price(const Options& common, std::map<std::size_t, std::string>& mistakes,
                     const std::shared_ptr<Wakeup>& wakeup);

  std::vector<Shot> shots_;
  LineCost cost_;
};

}  // namespace veo::cli
