// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Runs `veo-simulator` beside a test. docs/simulator.md has its arguments and faults.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace veo::test {

class Simulator {
 public:
  /// Starts it, with `--log` besides, and waits until it listens. It dies with the thread that
  /// calls this. The program is `$VEO_SIMULATOR`, else the one built with the tests. Throws
  /// std::runtime_error where it does not start.
  static Simulator start(const std::vector<std::string>& args);
  /// stop(), and what was kept of it is removed.
  ~Simulator();
  Simulator(Simulator&&) noexcept;
  Simulator& operator=(Simulator&&) noexcept;

  /// With `/v1`: what `api-url` takes.
  [[nodiscard]] std::string api_url() const;
  [[nodiscard]] std::string files_url() const;
  /// A key that it accepts.
  [[nodiscard]] std::string key() const { return "sk-test-0123456789"; }

  /// Where clients of this simulator keep their record and their clips: removed with it.
  [[nodiscard]] std::string ledger() const;
  [[nodiscard]] std::string cache() const;

  /// `GET /simulator/state`
  [[nodiscard]] nlohmann::json state() const;
  /// One object for each request so far, in the order in which their answers ended.
  [[nodiscard]] std::vector<nlohmann::json> log() const;
  /// Replaces the faults; they count from zero. Throws std::runtime_error where one is refused.
  void set_faults(const std::vector<std::string>& specs);

  /// SIGTERM, and waits. The exit code; -1 when it ended by a signal.
  int stop();

 private:
  struct Private;
  explicit Simulator(std::unique_ptr<Private> p);
  std::unique_ptr<Private> p_;
};

/// Runs it to its own end, as with arguments that it refuses.
struct SimulatorExit {
  int code = -1;
  std::string output;  ///< stdout and stderr
};
SimulatorExit run_simulator(const std::vector<std::string>& args);

}  // namespace veo::test
