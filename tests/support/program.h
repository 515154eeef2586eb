// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A program beside a test, as a shell would run it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <iosfwd>
#include <map>
#include <string>
#include <vector>

namespace veo::test {

class Program {
 public:
  struct Ended {
    int exit_code = -1;
    int signal = 0;      ///< that ended it; SIGKILL: it hung
    std::string output;  ///< unless it was given another place
    std::string errors;
  };

  struct Settings {
    std::vector<std::string> args;           ///< the program's path first
    std::map<std::string, std::string> env;  ///< beside this process's own
    int output = -1;                         ///< a file descriptor; -1: it is kept
    std::string directory;                   ///< empty: this process's
  };

  /// Throws std::runtime_error where it does not start.
  explicit Program(const Settings& settings);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  void kill(int signal) const;
  [[nodiscard]] bool has_ended() const;
  /// SIGSTOP, and waits until nothing of it runs any more.
  void stop() const;
  /// What it has written to stdout so far, unless that was given another place; to stderr.
  [[nodiscard]] std::string output() const;
  [[nodiscard]] std::string errors() const;
  /// Until stderr has that, or it has ended; false: that did not happen within 30 s.
  [[nodiscard]] bool wait_for(const std::string& text) const;
  /// Until it has that file open, or it has ended; false: that did not happen within 30 s.
  [[nodiscard]] bool wait_until_open(const std::string& path) const;
  /// Kills what has not ended by then.
  Ended wait(std::chrono::seconds within = std::chrono::seconds(60));

 private:
  /// Looks again and again.
  template <class Condition>
  [[nodiscard]] bool wait_until(Condition is_so) const;

  pid_t pid_ = -1;
  int output_ = -1;
  int errors_ = -1;
};

/// For a test's messages.
std::ostream& operator<<(std::ostream& out, const Program::Ended& ended);

}  // namespace veo::test
