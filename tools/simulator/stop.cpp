// SPDX-License-Identifier: LGPL-2.1-or-later
#include "stop.h"

#include <sys/socket.h>

namespace simulator {

void Stop::request() {
  const std::lock_guard lock(mutex_);
  requested_ = true;
  for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
  changed_.notify_all();
}

bool Stop::is_requested() const {
  const std::lock_guard lock(mutex_);
  return requested_;
}

bool Stop::sleep_until(Clock::time_point when) {
  std::unique_lock lock(mutex_);
  return !changed_.wait_until(lock, when, [this] { return requested_; });
}

Stop::Watch::Watch(Stop& stop, int socket) : stop_(stop), socket_(socket) {
  const std::lock_guard lock(stop_.mutex_);
  if (stop_.requested_) ::shutdown(socket_, SHUT_RDWR);
  stop_.sockets_.insert(socket_);
}

Stop::Watch::~Watch() {
  const std::lock_guard lock(stop_.mutex_);
  stop_.sockets_.erase(socket_);
}

}  // namespace simulator
