// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

namespace veo::test {

/// A child process that does `work` and then ends. SQLite does not survive a fork: this process
/// must not have a database open that `work` opens.
class Process {
 public:
  /// Passes a line of text from the child to line().
  using Say = std::function<void(const std::string&)>;

  explicit Process(const std::function<void(const Say&)>& work);
  /// Calls kill().
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  /// Waits for the next line of the child. Returns "" if the child has ended.
  std::string line();
  /// Sends SIGKILL and waits for the end of the child.
  void kill();

 private:
  pid_t pid_ = -1;
  int said_ = -1;
};

/// Runs `work` as an ordinary user and returns its result. If this process is root's, `work` runs
/// as the user nobody, who becomes the owner of `directory`.
std::string as_ordinary_user(const std::string& directory,
                             const std::function<std::string()>& work);

}  // namespace veo::test
