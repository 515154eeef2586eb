// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A user's line, run again and again in processes of its own, and what is on the disk after it.
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
  int signal = 0;         ///< that ended it; SIGALRM: it hung
  nlohmann::json report;  ///< veo-run's; null where there is none
  std::string errors;     ///< what it wrote to stderr

  /// The end of the stream came, after these bytes.
  [[nodiscard]] bool played(const std::string& sha256) const;
  /// `veo-error`'s; empty: no error.
  [[nodiscard]] std::string error_code() const;
  [[nodiscard]] std::string charged() const;

 private:
  [[nodiscard]] std::string of_error(const char* field) const;
};

/// For a test's messages.
std::ostream& operator<<(std::ostream& out, const Ended& ended);

/// A running veo-run, which is killed with this.
class Process {
 public:
  /// The program is `$VEO_RUN`. Throws std::runtime_error where it does not start.
  Process(const std::vector<std::string>& properties, const std::string& fault);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  /// SIGKILL
  void kill() const;
  Ended wait();

 private:
  pid_t pid_ = -1;
  int output_ = -1;
  int errors_ = -1;
};

/// A submission, as the ledger has it.
struct Row {
  std::string state;
  std::string task_id;
  std::string clip_path;
  std::string clip_sha256;
};

/// Has a ledger and a cache of its own, in directories that do not exist before the first run.
class Line {
 public:
  explicit Line(const Simulator& simulator);

  /// With more properties, if any, and `fault` as VEO_TEST_FAULT, if not empty.
  [[nodiscard]] Ended run(const std::string& fault = "",
                          const std::vector<std::string>& more = {}) const;
  /// What run() starts a process with.
  [[nodiscard]] std::vector<std::string> properties() const;
  [[nodiscard]] std::string cache() const;

  /// What is on the disk, in order. Nothing there is changed by it.
  [[nodiscard]] std::vector<Row> rows() const;

 private:
  TemporaryDirectory home_;
  std::string api_url_;
  std::string key_;
};

/// A clip that costs the simulator nothing to serve, made once.
struct SmallClip {
  std::string path;
  std::string sha256;
};
const SmallClip& small_clip();
/// The same of 4 s: large enough for its `moov` to be fetched beside the rest.
const SmallClip& larger_clip();
/// A simulator whose tasks are completed at once, with that clip.
Simulator start_simulator();

/// `VEO_TEST_REPEAT`: how often each case runs in the long version; 0: a draw of the cases, once.
unsigned repeats();

}  // namespace veo::test
