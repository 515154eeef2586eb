// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/system/wakeup.h"

#include <algorithm>
#include <utility>

namespace veo {

Wakeup::Ticket Wakeup::ticket() const {
  const MutexLock lock(mutex_);
  return now_;
}

bool Wakeup::wait(Ticket ticket) {
  MutexLock lock(mutex_);
  while (!interrupted_ && now_ == ticket) changed_.wait(lock);
  return !interrupted_;
}

bool Wakeup::wait(Ticket ticket, Time until) {
  MutexLock lock(mutex_);
  while (!interrupted_ && now_ == ticket && changed_.wait_until(lock, until)) {
  }
  return !interrupted_;
}

void Wakeup::wait_for_interruption() {
  MutexLock lock(mutex_);
  while (!interrupted_) changed_.wait(lock);
}

bool Wakeup::pause(Time until) {
  MutexLock lock(mutex_);
  while (!interrupted_ && changed_.wait_until(lock, until)) {
  }
  return !interrupted_;
}

void Wakeup::notify() {
  {
    const MutexLock lock(mutex_);
    ++now_;
  }
  changed_.notify_all();
  if (on_notify_) on_notify_();
}

void Wakeup::interrupt() {
  {
    const MutexLock lock(mutex_);
    interrupted_ = true;
  }
  changed_.notify_all();
}

void Wakeup::resume() {
  const MutexLock lock(mutex_);
  interrupted_ = false;
}

bool Wakeup::is_interrupted() const {
  const MutexLock lock(mutex_);
  return interrupted_;
}

void Subscribers::add(std::weak_ptr<Wakeup> wakeup) {
  auto state = state_.lock();
  // Subscribers come and go without a notification in which to find those that are gone. Search the
  // list for them only when it has doubled, because a thousand subscribers may come at once.
  if (state->list.size() >= state->prune_at) {
    std::erase_if(state->list, [](const auto& weak) { return weak.expired(); });
    state->prune_at = std::max(fewest_to_prune, 2 * state->list.size());
  }
  state->list.push_back(std::move(wakeup));
}

std::size_t Subscribers::size() const { return state_.lock()->list.size(); }

void Subscribers::notify() {
  auto state = state_.lock();
  std::erase_if(state->list, [](const std::weak_ptr<Wakeup>& weak) {
    const auto wakeup = weak.lock();
    if (wakeup) wakeup->notify();
    return !wakeup;
  });
}

}  // namespace veo
