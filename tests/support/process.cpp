// SPDX-License-Identifier: LGPL-2.1-or-later
#include "process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>

namespace veo::test {

namespace {

constexpr uid_t nobody = 65534;

}  // namespace

Process::Process(const std::function<void(const Say&)>& work) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("no process");
  if (pid_ > 0) {
    ::close(ends[1]);
    said_ = ends[0];
    return;
  }
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // The child must not return into the tests, not even by an exception.
  [&]() noexcept {
    work([&ends](const std::string& text) {
      const auto line = text + "\n";
      if (::write(ends[1], line.data(), line.size()) < 0) ::_exit(1);
    });
  }();
  ::_exit(0);
}

Process::~Process() {
  kill();
  ::close(said_);
}

std::string Process::line() {
  std::string text;
  for (char next = 0; ::read(said_, &next, 1) == 1 && next != '\n';) text.push_back(next);
  return text;
}

void Process::kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

std::string as_ordinary_user(const std::string& directory,
                             const std::function<std::string()>& work) {
  if (::geteuid() == 0) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
      if (::lchown(entry.path().c_str(), nobody, nobody) != 0) throw std::runtime_error("no chown");
    }
    if (::chown(directory.c_str(), nobody, nobody) != 0) throw std::runtime_error("no chown");
  }
  Process process([&](const Process::Say& say) {
    if (::geteuid() == 0 && (::setgid(nobody) != 0 || ::setuid(nobody) != 0)) {
      say("still root");
    } else {
      say(work());
    }
  });
  return process.line();
}

}  // namespace veo::test
