// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/system/wakeup.h"

#include <algorithm>
#include <utility>

namespace veo {

Wakeup::Ticket Wakeup::ticket() const {
  const std::lock_guard lock(mutex_);
  return now_;
}

bool Wakeup::wait(Ticket ticket) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return interrupted_ || now_ != ticket; });
  return !interrupted_;
}

bool Wakeup::wait(Ticket ticket, std::chrono::steady_clock::time_point until) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, until, [&] { return interrupted_ || now_ != ticket; });
  return !interrupted_;
}

bool Wakeup::pause(std::chrono::steady_clock::time_point until) {
  std::unique_lock lock(mutex_);
  return !changed_.wait_until(lock, until, [&] { return interrupted_; });
}

void Wakeup::notify() {
  {
    const std::lock_guard lock(mutex_);
    ++now_;
  }
  changed_.notify_all();
  if (on_notify_) on_notify_();
}

void Wakeup::interrupt() {
  {
    const std::lock_guard lock(mutex_);
    interrupted_ = true;
  }
  changed_.notify_all();
}

void Wakeup::resume() {
  const std::lock_guard lock(mutex_);
  interrupted_ = false;
}

bool Wakeup::is_interrupted() const {
  const std::lock_guard lock(mutex_);
  return interrupted_;
}

void Subscribers::add(std::weak_ptr<Wakeup> wakeup) {
  const std::lock_guard lock(mutex_);
  // Of those that came and went while there was nothing to tell; now and then, since a thousand may
  // come at once.
  if (list_.size() >= prune_at_) {
    std::erase_if(list_, [](const auto& weak) { return weak.expired(); });
    prune_at_ = std::max(fewest_to_prune, 2 * list_.size());
  }
  list_.push_back(std::move(wakeup));
}

std::size_t Subscribers::size() const {
  const std::lock_guard lock(mutex_);
  return list_.size();
}

void Subscribers::notify() {
  const std::lock_guard lock(mutex_);
  std::erase_if(list_, [](const std::weak_ptr<Wakeup>& weak) {
    const auto wakeup = weak.lock();
    if (wakeup) wakeup->notify();
    return !wakeup;
  });
}

}  // namespace veo
