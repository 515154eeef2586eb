// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Runs a program on a pseudo-terminal. libvterm shows what a person would see there.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "program.h"

namespace veo::test {

class Terminal {
 public:
  /// The terminal is the program's stdin, stdout and stderr. Throws std::runtime_error if the
  /// program does not start.
  Terminal(const Program::Settings& settings, int columns, int rows = 40);
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void type(const std::string& keys) const;
  void resize(int columns);
  /// Waits until the line of the cursor contains this text. Returns false after 30 s, or if the
  /// program ends before.
  bool wait_for(const std::string& text);
  /// Waits until the program has ended, at most a minute. Returns its exit code, or -1 if it was
  /// killed.
  int wait();

  /// Returns the rows up to the last one that is not empty, without trailing spaces.
  [[nodiscard]] std::vector<std::string> screen() const;
  /// Returns the successive contents of the line of the cursor.
  [[nodiscard]] const std::vector<std::string>& moments() const { return moments_; }
  [[nodiscard]] bool cursor_is_visible() const;
  /// Returns the column of the cursor, counted from 0.
  [[nodiscard]] int cursor_column() const;

 private:
  struct Screen;

  /// Waits for more output, at most `milliseconds`. Returns false at the end of the output.
  bool read(int milliseconds);

  std::unique_ptr<Screen> screen_;
  std::vector<std::string> moments_;
  int fd_ = -1;
  pid_t pid_ = -1;
};

}  // namespace veo::test
