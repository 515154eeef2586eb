// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Runs a user's line again and again, each time in a process of its own, and reads the ledger after
// it.
#pragma once

#include <sys/types.h>

#include <iosfwd>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "command.h"
#include "simulator.h"

namespace veo::test {

/// How a process ended.
struct Ended {
  int exit_code = -1;
  int signal = 0;         ///< the signal that ended the process; SIGALRM after a hang
  nlohmann::json report;  ///< the JSON that veo-run printed; null if there is none
  std::string errors;     ///< the text that it wrote to stderr

  /// Returns whether the stream reached its end, with the bytes that have this checksum.
  [[nodiscard]] bool played(const std::string& sha256) const;
  /// Returns the code of the `veo-error`, or nothing without an error.
  [[nodiscard]] std::string error_code() const;
  [[nodiscard]] std::string charged() const;

 private:
  [[nodiscard]] std::string of_error(const char* field) const;
};

/// Prints the end for a test's message.
std::ostream& operator<<(std::ostream& out, const Ended& ended);

/// A running veo-run process. The destructor kills it.
class RunProcess {
 public:
  /// Starts the program `$VEO_RUN`. Throws std::runtime_error if it does not start.
  RunProcess(const std::vector<std::string>& properties, const std::string& fault);
  ~RunProcess();
  RunProcess(const RunProcess&) = delete;
  RunProcess& operator=(const RunProcess&) = delete;

  /// Sends SIGKILL.
  void kill() const;
  Ended wait();

 private:
  pid_t pid_ = -1;
  int output_ = -1;
  int errors_ = -1;
};

/// A submission's row in the ledger.
struct Row {
  std::string state;
  std::string task_id;
  std::string clip_path;
  std::string clip_sha256;
};

/// A line with a ledger and a cache of its own. Their directories do not exist before the first
/// run.
class Line {
 public:
  explicit Line(const Simulator& simulator);

  /// Runs the line with `more` properties. `fault` becomes VEO_TEST_FAULT, unless it is empty.
  [[nodiscard]] Ended run(const std::string& fault = "",
                          const std::vector<std::string>& more = {}) const;
  /// Returns the properties that run() gives to the process.
  [[nodiscard]] std::vector<std::string> properties() const;
  [[nodiscard]] std::string cache() const;

  /// Returns the rows of the ledger in their order. Does not change the ledger's files.
  [[nodiscard]] std::vector<Row> rows() const;

 private:
  TemporaryDirectory home_;
  std::string api_url_;
  std::string key_;
};

/// A small clip that is made once, so that the simulator need not encode one.
struct SmallClip {
  std::string path;
  std::string sha256;
};
const SmallClip& small_clip();
/// Returns such a clip of 4 s. It is large enough that its `moov` is fetched beside the rest.
const SmallClip& larger_clip();
/// Starts a simulator that completes each task at once, with the small clip.
Simulator start_simulator();

/// Returns `VEO_TEST_REPEAT`: how often each case runs in the long version. 0 means that each drawn
/// case runs once.
unsigned repeats();

}  // namespace veo::test
