// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Runs `veo-simulator` beside a test. docs/simulator.md describes its arguments and faults.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace veo::test {

class Simulator {
 public:
  /// Starts the simulator with `args` and `--log`, and waits until it listens. It ends when the
  /// calling thread ends. The program is `$VEO_SIMULATOR`, or else the one that is built with the
  /// tests. Throws std::runtime_error if the simulator does not start.
  static Simulator start(const std::vector<std::string>& args);
  /// Calls stop() and removes the files.
  ~Simulator();
  Simulator(Simulator&&) noexcept;
  Simulator& operator=(Simulator&&) noexcept;

  /// The value for `api-url`. It ends with `/v1`.
  [[nodiscard]] std::string api_url() const;
  [[nodiscard]] std::string files_url() const;
  /// A key that the simulator accepts.
  [[nodiscard]] std::string key() const { return "sk-test-0123456789"; }

  /// The paths for the ledger and the cache of this simulator's clients. The destructor removes
  /// both.
  [[nodiscard]] std::string ledger() const;
  [[nodiscard]] std::string cache() const;

  /// Gets `/simulator/state`.
  [[nodiscard]] nlohmann::json state() const;
  /// Reads the log: one object for each request, in the order in which the answers ended.
  [[nodiscard]] std::vector<nlohmann::json> log() const;
  /// Replaces the faults. The new faults count from zero. Throws std::runtime_error if the
  /// simulator refuses one.
  void set_faults(const std::vector<std::string>& specs);
  /// From now on the file host refuses each request, so what plays comes from the cache. The count
  /// of file requests would not tell: a request that nobody needed any more may arrive after the
  /// run that sent it.
  void refuse_files() { set_faults({"file:status=404"}); }

  /// Sends SIGTERM and waits for the end. Returns the exit code, or -1 if a signal ended the
  /// simulator.
  int stop();

 private:
  struct Private;
  explicit Simulator(std::unique_ptr<Private> p);
  std::unique_ptr<Private> p_;
};

/// The end of a simulator.
struct SimulatorExit {
  int code = -1;
  std::string output;  ///< stdout and stderr
};
/// Runs the simulator and waits for its end. The arguments must be such that it ends on its own.
SimulatorExit run_simulator(const std::vector<std::string>& args);

}  // namespace veo::test
