// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/system/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <vector>

#include "patient_wait.h"
#include "veo/system/environment.h"
#include "veo/system/file_handle.h"

namespace veo {

namespace {

constexpr int grace = 500;         // milliseconds between the first signal and SIGKILL
constexpr int poll_interval = 10;  // milliseconds
constexpr std::size_t most_errors = 4096;

/// Stops `process`, its children and their children. The kernel's list of children is reliable only
/// while the process is stopped (proc(5)).
void stop_family(pid_t process, std::vector<pid_t>& family) {
  ::kill(process, SIGSTOP);
  family.push_back(process);
  const auto id = std::to_string(process);
  std::ifstream children("/proc/" + id + "/task/" + id + "/children");
  for (pid_t child = 0; children >> child;) stop_family(child, family);
}

/// The two ends of a pipe.
struct Pipe {
  static std::optional<Pipe> make() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return std::nullopt;
    return Pipe{.out = FileHandle(ends[0]), .in = FileHandle(ends[1])};
  }
  FileHandle out;
  FileHandle in;
};

/// A running command whose output is read.
class Command {
 public:
  explicit Command(std::size_t most_output) : most_output_(most_output) {
    // A text that gets another buffer would leave a key in the old one.
    result_.output.reserve(most_output + block);
  }

  CommandResult run(const std::string& line, const Patience& patience) {
    if (!start(line)) {
      result_.end = CommandResult::End::not_started;
      result_.status = errno;
      return std::move(result_);
    }
    const PatientWait wait(patience);
    while (!has_child_ended(child_)) {
      if (const auto end = find_end(wait)) {
        end_child_family(child_, SIGTERM);
        reap();
        result_.end = *end;
        return std::move(result_);
      }
      read_streams(wait.slice());
    }
    // All that the command itself has printed is in the pipes now. A process that the command has
    // left behind may keep the pipes open.
    read_streams(0);
    reap();
    if (is_flooded()) result_.end = CommandResult::End::flooded;
    return std::move(result_);
  }

 private:
  static constexpr std::size_t block = 4096;

  bool start(const std::string& line) {
    const FileHandle nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    auto output = Pipe::make();
    auto errors = Pipe::make();
    if (!nothing || !output || !errors) return false;
    for (const auto* end : {&output->out, &errors->out}) {
      if (::fcntl(end->get(), F_SETFL, O_NONBLOCK) != 0) return false;
    }
    const auto child = spawn_shell(
        line, {.streams = {nothing.get(), output->in.get(), errors->in.get()}, .signal_mask = {}});
    if (!child) return false;
    child_ = *child;
    output_ = std::move(output->out);
    errors_ = std::move(errors->out);
    return true;
  }

  [[nodiscard]] bool is_flooded() const { return result_.output.size() > most_output_; }

  /// Returns why the command must end, if it must.
  [[nodiscard]] std::optional<CommandResult::End> find_end(const PatientWait& wait) const {
    if (is_flooded()) return CommandResult::End::flooded;
    if (wait.is_cancelled()) return CommandResult::End::cancelled;
    if (wait.is_over()) return CommandResult::End::timed_out;
    return std::nullopt;
  }

  /// Waits for output for this time (milliseconds), and reads what is there.
  void read_streams(int time) {
    std::array<pollfd, 2> fds{{{output_.get(), POLLIN, 0}, {errors_.get(), POLLIN, 0}}};
    if (::poll(fds.data(), fds.size(), time) <= 0) return;
    // A closed pipe is always readable. Without the pause the loop would not wait at all.
    bool has_read = false;
    std::array<char, block> bytes{};
    for (;;) {
      const auto count = ::read(output_.get(), bytes.data(), bytes.size());
      if (count <= 0 || is_flooded()) break;
      has_read = true;
      result_.output.append(bytes.data(), static_cast<std::size_t>(count));
    }
    explicit_bzero(bytes.data(), bytes.size());
    for (std::size_t all = 0; all < most_errors * 16;) {
      const auto count = ::read(errors_.get(), bytes.data(), bytes.size());
      if (count <= 0) break;
      has_read = true;
      all += static_cast<std::size_t>(count);
      auto& errors = result_.errors;
      errors.append(bytes.data(), static_cast<std::size_t>(count));
      if (errors.size() > most_errors) errors.erase(0, errors.size() - most_errors);
    }
    if (!has_read) ::poll(nullptr, 0, std::min(time, poll_interval));
  }

  void reap() {
    int status = 0;
    const auto reaped = retried([&] { return ::waitpid(child_, &status, 0); });
    if (reaped != child_) return;  // the application has reaped the child: the end is unknown
    const bool has_exited = WIFEXITED(status);
    result_.end = has_exited ? CommandResult::End::exited : CommandResult::End::signalled;
    result_.status = has_exited ? WEXITSTATUS(status) : WTERMSIG(status);
  }

  const std::size_t most_output_;
  pid_t child_ = -1;
  FileHandle output_;
  FileHandle errors_;
  CommandResult result_;
};

}  // namespace

std::optional<pid_t> spawn_shell(const std::string& line, const ChildSettings& settings) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  for (std::size_t stream = 0; stream < settings.streams.size(); ++stream) {
    if (settings.streams[stream] < 0) continue;
    ::posix_spawn_file_actions_adddup2(&actions, settings.streams[stream],
                                       static_cast<int>(stream));
  }
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t defaults;
  ::sigemptyset(&defaults);
  for (const int signal : {SIGPIPE, SIGXFSZ}) ::sigaddset(&defaults, signal);
  ::posix_spawnattr_setsigdefault(&attributes, &defaults);
  ::posix_spawnattr_setsigmask(&attributes, &settings.signal_mask);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);

  std::array<std::string, 3> words{"/bin/sh", "-c", line};
  std::array<char*, 4> arguments{words[0].data(), words[1].data(), words[2].data(), nullptr};
  auto variables = environment::list_for_child();
  std::vector<char*> environment;
  for (auto& variable : variables) environment.push_back(variable.data());
  environment.push_back(nullptr);

  pid_t child = -1;
  const int error = ::posix_spawn(&child, words[0].c_str(), &actions, &attributes, arguments.data(),
                                  environment.data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  errno = error;
  return error == 0 ? std::optional(child) : std::nullopt;
}

bool has_child_ended(pid_t child) {
  siginfo_t info{};
  const int waited = ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT);
  return waited != 0 || info.si_pid == child;
}

void end_child_family(pid_t child, int signal) {
  std::vector<pid_t> family;
  stop_family(child, family);
  // Signal the child itself last, because the thread that waits for the child goes on when the
  // child has ended.
  std::for_each(family.rbegin(), family.rend(), [signal](pid_t process) {
    ::kill(process, signal);
    ::kill(process, SIGCONT);
  });
  for (int waited = 0; waited < grace && !has_child_ended(child); waited += poll_interval) {
    ::poll(nullptr, 0, poll_interval);
  }
  // The child may have started more processes since then.
  if (!has_child_ended(child)) {
    family.clear();
    stop_family(child, family);
  }
  std::for_each(family.rbegin(), family.rend(), [](pid_t process) { ::kill(process, SIGKILL); });
}

CommandResult run_command(const std::string& line, std::size_t most_output,
                          const Patience& patience) {
  return Command(most_output).run(line, patience);
}

}  // namespace veo
