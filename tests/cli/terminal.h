// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A program on a terminal of its own: a pty, with libvterm for what a person would see on it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "program.h"

namespace veo::test {

class Terminal {
 public:
  /// Throws std::runtime_error where it does not start. stdin, stdout and stderr are the terminal.
  Terminal(const Program::Settings& settings, int columns, int rows = 40);
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void type(const std::string& keys) const;
  void resize(int columns);
  /// Until the line of the cursor has that; false: that did not happen within 30 s, or before the
  /// end.
  bool wait_for(const std::string& text);
  /// Until it has ended, which is within a minute. Its exit code; -1: it was killed.
  int wait();

  /// The rows up to the last that is not empty, without spaces at their ends.
  [[nodiscard]] std::vector<std::string> screen() const;
  /// What the line of the cursor was, one after the other.
  [[nodiscard]] const std::vector<std::string>& moments() const { return moments_; }
  [[nodiscard]] bool cursor_is_visible() const;
  /// 0 is the first.
  [[nodiscard]] int cursor_column() const;

 private:
  struct Screen;

  /// Waits for more of its output, for `milliseconds` at most; false: the end.
  bool read(int milliseconds);

  std::unique_ptr<Screen> screen_;
  std::vector<std::string> moments_;
  int fd_ = -1;
  pid_t pid_ = -1;
};

}  // namespace veo::test
