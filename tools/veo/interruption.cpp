// SPDX-License-Identifier: LGPL-2.1-or-later
#include "interruption.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <utility>

namespace veo::cli {

namespace {

void raise_event(int fd) {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(fd, &one, sizeof one);
}

}  // namespace

Interruption::Interruption(std::shared_ptr<Wakeup> wakeup) : wakeup_(std::move(wakeup)) {
  for (const int signal : {SIGPIPE, SIGXFSZ}) ::signal(signal, SIG_IGN);
  sigset_t ours;
  ::sigemptyset(&ours);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    // Under nohup it stays ignored.
    struct sigaction now {};
    if (::sigaction(signal, nullptr, &now) == 0 && now.sa_handler == SIG_IGN) continue;
    ::sigaddset(&ours, signal);
  }
  ::pthread_sigmask(SIG_BLOCK, &ours, &before_);
  signals_ = ::signalfd(-1, &ours, SFD_CLOEXEC);
  happened_ = ::eventfd(0, EFD_CLOEXEC);
  ended_ = ::eventfd(0, EFD_CLOEXEC);
  thread_ = std::thread([this] {
    std::array<pollfd, 2> fds{{{signals_, POLLIN, 0}, {ended_, POLLIN, 0}}};
    while (::poll(fds.data(), fds.size(), -1) < 0) {
    }
    if (fds[0].revents == 0) return;
    raise_event(happened_);
    wakeup_->interrupt();
  });
}

Interruption::~Interruption() {
  raise_event(ended_);
  thread_.join();
  for (const int fd : {signals_, happened_, ended_}) ::close(fd);
}

bool Interruption::happened() const {
  pollfd fd{happened_, POLLIN, 0};
  return ::poll(&fd, 1, 0) > 0;
}

}  // namespace veo::cli
