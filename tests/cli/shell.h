// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `veo` as a user of its own runs it, against a simulator.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "command.h"
#include "program.h"
#include "simulator.h"

namespace veo::test {

class Shell {
 public:
  explicit Shell(const Simulator& simulator);

  /// `veo` with these arguments, in a directory of its own. It can be changed before it starts.
  [[nodiscard]] Program::Settings settings(const std::vector<std::string>& args) const;
  [[nodiscard]] Program::Ended veo(const std::vector<std::string>& args) const;
  /// A line for bash, in which `veo` is the program.
  [[nodiscard]] Program::Settings script(const std::string& line) const;
  [[nodiscard]] Program::Ended sh(const std::string& line) const;

  [[nodiscard]] std::string file(const std::string& name) const { return home_.file(name); }
  /// Where its record of paid work is, or is to be.
  [[nodiscard]] std::string ledger() const { return state_.file("ledger.db"); }
  /// How many submissions are recorded in that state; -1: it cannot be told just now.
  [[nodiscard]] int recorded(const std::string& state) const;
  [[nodiscard]] std::string contents(const std::string& name) const;
  /// The names in its directory.
  [[nodiscard]] std::vector<std::string> files() const;

 private:
  TemporaryDirectory home_;
  TemporaryDirectory state_;
  std::string api_url_;
  std::string key_;
};

/// One object for each line. Throws where one is no JSON.
std::vector<nlohmann::json> json_lines(const std::string& text);
/// The last of that `event`; null: none.
nlohmann::json last_event(const std::string& text, const std::string& event);

/// A clip that costs the simulator nothing to serve, made once.
const std::string& small_clip();
/// Tasks that are completed after `generation_time`, with that clip.
Simulator start_simulator(const std::string& generation_time,
                          const std::vector<std::string>& more = {});

}  // namespace veo::test
