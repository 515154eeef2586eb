// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

namespace veo::test {

/// `work` in a process of its own, which ends with it. SQLite does not survive a fork: what `work`
/// opens, this process must not have open.
class Process {
 public:
  /// Writes a line for line().
  using Say = std::function<void(const std::string&)>;

  explicit Process(const std::function<void(const Say&)>& work);
  /// kill()
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  /// The next line that it says, waited for; empty where it ended before.
  std::string line();
  /// SIGKILL, and waits until nothing is left of it.
  void kill();

 private:
  pid_t pid_ = -1;
  int said_ = -1;
};

/// What `work` returns where it is run by a user who may not do everything: root does it as nobody,
/// to whom `directory` is given.
std::string as_ordinary_user(const std::string& directory,
                             const std::function<std::string()>& work);

}  // namespace veo::test
