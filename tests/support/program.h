// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A program that runs beside a test.
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
    int signal = 0;      ///< the signal that ended the program; SIGKILL if it hung
    std::string output;  ///< stdout, unless Settings::output is set
    std::string errors;  ///< stderr
  };

  struct Settings {
    std::vector<std::string> args;           ///< the path of the program, then its arguments
    std::map<std::string, std::string> env;  ///< in addition to the environment of this process
    int output = -1;        ///< a file descriptor for stdout; -1 to keep the output
    std::string directory;  ///< the working directory; empty for that of this process
  };

  /// Starts the program. Throws std::runtime_error if that fails.
  explicit Program(const Settings& settings);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  void kill(int signal) const;
  [[nodiscard]] bool has_ended() const;
  /// Sends SIGSTOP and waits until all threads of the program have stopped.
  void stop() const;
  /// The text on stdout so far, unless Settings::output is set, and the text on stderr so far.
  [[nodiscard]] std::string output() const;
  [[nodiscard]] std::string errors() const;
  /// Waits until stderr contains `text`, or the program has ended. Returns false after 30 s without
  /// either.
  [[nodiscard]] bool wait_for(const std::string& text) const;
  /// Waits until the program has the file open, or has ended. Returns false after 30 s without
  /// either.
  [[nodiscard]] bool wait_until_open(const std::string& path) const;
  /// Waits for the end of the program, and kills it after `within`.
  Ended wait(std::chrono::seconds within = std::chrono::seconds(60));

 private:
  /// Polls the condition, because nothing signals these events.
  template <class Condition>
  [[nodiscard]] bool wait_until(Condition is_so) const;

  pid_t pid_ = -1;
  int output_ = -1;
  int errors_ = -1;
};

/// GoogleTest prints a value with it.
std::ostream& operator<<(std::ostream& out, const Program::Ended& ended);

}  // namespace veo::test
