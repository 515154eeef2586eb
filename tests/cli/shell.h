// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Runs `veo` against a simulator, with a home, a ledger and a cache of its own.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "command.h"
#include "program.h"
#include "simulator.h"

namespace veo::test {

class Shell {
 public:
  explicit Shell(const Simulator& simulator);

  /// Returns what starts `veo` with these arguments in the home directory. A test can change it
  /// before the start.
  [[nodiscard]] Program::Settings settings(const std::vector<std::string>& args) const;
  [[nodiscard]] Program::Ended veo(const std::vector<std::string>& args) const;
  /// Returns what runs this line in bash, where `veo` is the program.
  [[nodiscard]] Program::Settings script(const std::string& line) const;
  [[nodiscard]] Program::Ended sh(const std::string& line) const;

  [[nodiscard]] std::string file(const std::string& name) const { return home_.file(name); }
  /// The path of the ledger, which may not exist yet.
  [[nodiscard]] std::string ledger() const { return state_.file("ledger.db"); }
  /// Returns the number of rows of the ledger in this state, or -1 if the ledger cannot be read
  /// now.
  [[nodiscard]] int recorded(const std::string& state) const;
  [[nodiscard]] std::string contents(const std::string& name) const;
  /// Returns the names of the files in the home directory.
  [[nodiscard]] std::vector<std::string> files() const;

 private:
  TemporaryDirectory home_;
  TemporaryDirectory state_;
  std::string api_url_;
  std::string key_;
};

/// Kills the program while no submission waits for its answer. A kill during that wait rightly
/// makes the submission unknown (tests/money/crash_test.cpp).
void kill_between_submissions(const Program& program, const Shell& shell);

/// Parses one JSON object for each line. Throws if a line is not JSON.
std::vector<nlohmann::json> json_lines(const std::string& text);
/// Returns the last object with this `event`, or null if there is none.
nlohmann::json last_event(const std::string& text, const std::string& event);

/// Waits until the condition holds. Returns false after 30 s.
template <class Condition>
bool wait_until(Condition is_met) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!is_met()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

/// Returns the path of a small clip that is made once, so that the simulator need not encode one.
const std::string& small_clip();
/// Starts a simulator that completes tasks after `generation_time`, with that clip.
Simulator start_simulator(const std::string& generation_time,
                          const std::vector<std::string>& more = {});

}  // namespace veo::test
