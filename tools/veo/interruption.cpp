// SPDX-License-Identifier: LGPL-2.1-or-later
#include "interruption.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "exit_code.h"

namespace veo::cli {

namespace {

constexpr std::string_view last_words =
    "veo: Ended at once, by a second signal. If a submission was under way, it may be accepted "
    "and "
    "paid: `veo history` shows it, and the same line again goes on with it, or says what is not "
    "known of it. Nothing is submitted twice by itself.\n";

constexpr auto same_request_time = std::chrono::milliseconds(300);
constexpr int child_timeout = 500;  // milliseconds
constexpr int poll_interval = 10;   // milliseconds

/// Stops `process`, its children and their children. The kernel's list of children is reliable only
/// while the process is stopped (proc(5)).
void stop_family(pid_t process, std::vector<pid_t>& family) {
  ::kill(process, SIGSTOP);
  family.push_back(process);
  const auto id = std::to_string(process);
  std::ifstream children("/proc/" + id + "/task/" + id + "/children");
  for (pid_t child = 0; children >> child;) stop_family(child, family);
}

/// Whether the child has ended. Does not reap the child, because the thread that started the child
/// may wait for it.
bool has_ended(pid_t child) {
  siginfo_t info{};
  const int waited = ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT);
  return waited != 0 || info.si_pid == child;
}

/// Ends the child and its family by the signal. If that is not enough, uses SIGKILL.
void end_child(pid_t child, int signal) {
  std::vector<pid_t> family;
  stop_family(child, family);
  // Signal the player itself last, because the main thread ends our process when the player has
  // ended.
  std::for_each(family.rbegin(), family.rend(), [signal](pid_t process) {
    ::kill(process, signal);
    ::kill(process, SIGCONT);
  });
  for (int waited = 0; waited < child_timeout && !has_ended(child); waited += poll_interval) {
    ::poll(nullptr, 0, poll_interval);
  }
  // The child may have started more processes since then.
  if (!has_ended(child)) {
    family.clear();
    stop_family(child, family);
  }
  std::for_each(family.rbegin(), family.rend(), [](pid_t process) { ::kill(process, SIGKILL); });
}

}  // namespace

struct Interruption::State {
  explicit State(std::shared_ptr<Wakeup> told) : wakeup(std::move(told)) {}

  /// Waits for the next signal, and returns it.
  [[nodiscard]] int wait_for_signal() const {
    signalfd_siginfo signal{};
    while (::read(signals, &signal, sizeof signal) != static_cast<ssize_t>(sizeof signal)) {
    }
    return static_cast<int>(signal.ssi_signo);
  }

  void run() {
    static_cast<void>(wait_for_signal());
    const std::uint64_t one = 1;
    static_cast<void>(!::write(happened, &one, sizeof one));
    wakeup->interrupt();
    // timeout(1) and terminals send a signal to the process and to its group. Two signals within a
    // short time are one request.
    const auto first = std::chrono::steady_clock::now();
    int second = wait_for_signal();
    while (std::chrono::steady_clock::now() - first < same_request_time) second = wait_for_signal();
    // Use no lock and run no destructor, because the other threads may be at any point and hold any
    // lock.
    const bool follows_a_moving_line = ::isatty(STDERR_FILENO) != 0;
    if (follows_a_moving_line) static_cast<void>(!::write(STDERR_FILENO, "\n", 1));
    static_cast<void>(!::write(STDERR_FILENO, last_words.data(), last_words.size()));
    if (const auto started = child.load()) end_child(started, second);
    ::_exit(exit_interrupted);
  }

  const std::shared_ptr<Wakeup> wakeup;
  sigset_t before{};
  int signals = -1;
  int happened = -1;
  std::atomic<pid_t> child = 0;
};

Interruption::Interruption(std::shared_ptr<Wakeup> wakeup) : state_(new State(std::move(wakeup))) {
  for (const int signal : {SIGPIPE, SIGXFSZ}) ::signal(signal, SIG_IGN);
  sigset_t ours;
  ::sigemptyset(&ours);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    // A signal that is ignored, as SIGHUP is under nohup, stays ignored.
    struct sigaction now {};
    if (::sigaction(signal, nullptr, &now) == 0 && now.sa_handler == SIG_IGN) continue;
    ::sigaddset(&ours, signal);
  }
  ::pthread_sigmask(SIG_BLOCK, &ours, &state_->before);
  state_->signals = ::signalfd(-1, &ours, SFD_CLOEXEC);
  state_->happened = ::eventfd(0, EFD_CLOEXEC);
  try {
    std::thread([state = state_] { state->run(); }).detach();
  } catch (const std::system_error&) {
    // The machine makes no more threads. Signals end the process then, as they do by default.
    ::pthread_sigmask(SIG_SETMASK, &state_->before, nullptr);
  }
}

bool Interruption::happened() const {
  pollfd fd{state_->happened, POLLIN, 0};
  return ::poll(&fd, 1, 0) > 0;
}

int Interruption::fd() const { return state_->happened; }

const sigset_t& Interruption::mask_before() const { return state_->before; }

void Interruption::set_child(pid_t child) { state_->child = child; }

}  // namespace veo::cli
