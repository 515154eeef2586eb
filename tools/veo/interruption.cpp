// SPDX-License-Identifier: LGPL-2.1-or-later
#include "interruption.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "exit_code.h"
#include "veo/system/child_process.h"

namespace veo::cli {

namespace {

constexpr std::string_view last_words =
    "veo: Ended at once, by a second signal. If a submission was under way, it may be accepted "
    "and "
    "paid: `veo history` shows it, and the same line again goes on with it, or says what is not "
    "known of it. Nothing is submitted twice by itself.\n";

constexpr auto same_request_time = std::chrono::milliseconds(300);

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
    if (const auto started = child.load()) end_child_family(started, second);
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
