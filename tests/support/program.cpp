// SPDX-License-Identifier: LGPL-2.1-or-later
#include "program.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <ostream>
#include <stdexcept>
#include <string_view>
#include <thread>

namespace veo::test {

namespace {

using namespace std::chrono_literals;

/// Makes a file without a name. Unlike a pipe, it never blocks the child that writes to it.
int make_temporary_file() {
  const auto directory = std::filesystem::temp_directory_path();
  const int fd = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC | O_APPEND, 0600);
  if (fd < 0) throw std::runtime_error("O_TMPFILE");
  return fd;
}

std::string contents(int fd) {
  std::string text;
  std::array<char, 65536> buffer;
  for (off_t at = 0;;) {
    const auto done = ::pread(fd, buffer.data(), buffer.size(), at);
    if (done <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(done));
    at += done;
  }
}

}  // namespace

Program::Program(const Settings& settings)
    : output_(make_temporary_file()), errors_(make_temporary_file()) {
  auto args = settings.args;
  std::vector<char*> argv;
  for (auto& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text(*variable);
    if (!settings.env.contains(std::string(text.substr(0, text.find('='))))) {
      variables.emplace_back(text);
    }
  }
  for (const auto& [name, value] : settings.env) variables.push_back(name + "=" + value);
  std::vector<char*> env;
  for (auto& variable : variables) env.push_back(variable.data());
  env.push_back(nullptr);

  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("fork");
  if (pid_ > 0) return;
  // Only async-signal-safe calls are allowed here, because other threads of the test may have held
  // locks.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);
  ::dup2(settings.output >= 0 ? settings.output : output_, STDOUT_FILENO);
  ::dup2(errors_, STDERR_FILENO);
  const int nothing = ::open("/dev/null", O_RDONLY);
  ::dup2(nothing, STDIN_FILENO);
  if (!settings.directory.empty() && ::chdir(settings.directory.c_str()) != 0) ::_exit(127);
  ::execve(argv[0], argv.data(), env.data());
  ::_exit(127);
}

Program::~Program() {
  if (pid_ > 0) {
    kill(SIGKILL);
    wait();
  }
  ::close(output_);
  ::close(errors_);
}

void Program::kill(int signal) const { ::kill(pid_, signal); }

std::string Program::output() const { return contents(output_); }

void Program::stop() const {
  ::kill(pid_, SIGSTOP);
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WSTOPPED | WEXITED | WNOWAIT) < 0 &&
         errno == EINTR) {
  }
  // The program is stopped. This call consumes the report of it.
  if (info.si_code == CLD_STOPPED) ::waitid(P_PID, static_cast<id_t>(pid_), &info, WSTOPPED);
}

std::string Program::errors() const { return contents(errors_); }

bool Program::has_ended() const {
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT);
  return info.si_pid == pid_;
}

template <class Condition>
bool Program::wait_until(Condition is_so) const {
  const auto until = std::chrono::steady_clock::now() + 30s;
  while (std::chrono::steady_clock::now() < until) {
    if (is_so()) return true;
    if (has_ended()) return is_so();
    std::this_thread::sleep_for(2ms);
  }
  return false;
}

bool Program::wait_for(const std::string& text) const {
  return wait_until([&] { return errors().find(text) != std::string::npos; });
}

bool Program::wait_until_open(const std::string& path) const {
  namespace fs = std::filesystem;
  const auto directory = "/proc/" + std::to_string(pid_);
  return wait_until([&] {
    std::error_code error;
    // Before the exec the child has the files of this process.
    if (fs::read_symlink(directory + "/exe", error) == fs::read_symlink("/proc/self/exe")) {
      return false;
    }
    for (fs::directory_iterator file(directory + "/fd", error), end; !error && file != end;
         file.increment(error)) {
      std::error_code closed;
      if (fs::read_symlink(file->path(), closed) == path) return true;
    }
    return false;
  });
}

Program::Ended Program::wait(std::chrono::seconds within) {
  const auto until = std::chrono::steady_clock::now() + within;
  int status = 0;
  for (;;) {
    const auto ended = ::waitpid(pid_, &status, WNOHANG);
    if (ended == pid_) break;
    if (std::chrono::steady_clock::now() > until) kill(SIGKILL);
    std::this_thread::sleep_for(1ms);
  }
  pid_ = -1;
  Ended ended;
  if (WIFEXITED(status)) ended.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) ended.signal = WTERMSIG(status);
  ended.output = contents(output_);
  ended.errors = contents(errors_);
  return ended;
}

std::ostream& operator<<(std::ostream& out, const Program::Ended& ended) {
  return out << "exit code " << ended.exit_code << ", signal " << ended.signal
             << "\nstdout: " << ended.output.substr(0, 2000) << "\nstderr: " << ended.errors;
}

}  // namespace veo::test
