// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/system/store_thread.h"

#include <pthread.h>

#include <array>
#include <condition_variable>
#include <deque>
#include <optional>
#include <thread>
#include <utility>

#include "veo/system/guarded.h"

namespace veo {

namespace {

constexpr std::array<const char*, 3> names = {"veo-settings", "veo-ledger", "veo-clips"};

/// The process's current threads. Never destroyed: they may outlive static destructors.
Guarded<std::array<std::weak_ptr<StoreThread>, names.size()>>& current() {
  static auto* const instance = new Guarded<std::array<std::weak_ptr<StoreThread>, names.size()>>;
  return *instance;
}

}  // namespace

// Shared with the thread, which may outlive its StoreThread.
struct StoreThread::Queue {
  struct State {
    std::deque<std::function<void()>> work;
    bool ended = false;
    std::optional<std::chrono::steady_clock::time_point> busy_since;
  };

  /// nullopt: that was all.
  std::optional<std::function<void()>> next() {
    auto locked = state.lock();
    locked->busy_since.reset();
    locked.wait(changed, [](const State& now) { return now.ended || !now.work.empty(); });
    if (locked->work.empty()) return std::nullopt;
    auto work = std::move(locked->work.front());
    locked->work.pop_front();
    locked->busy_since = std::chrono::steady_clock::now();
    return work;
  }

  void run(const char* name) {
    pthread_setname_np(pthread_self(), name);
    while (auto work = next()) (*work)();
  }

  Guarded<State> state;
  std::condition_variable changed;
};

StoreThread::StoreThread(Store store) : queue_(std::make_shared<Queue>()) {
  const auto* const name = names.at(static_cast<std::size_t>(store));
  std::thread([queue = queue_, name] { queue->run(name); }).detach();
}

std::shared_ptr<StoreThread> StoreThread::acquire(Store store) {
  auto threads = current().lock();
  auto& slot = threads->at(static_cast<std::size_t>(store));
  if (auto running = slot.lock()) return running;
  std::shared_ptr<StoreThread> started(new StoreThread(store));
  slot = started;
  return started;
}

StoreThread::~StoreThread() {
  queue_->state.lock()->ended = true;
  queue_->changed.notify_all();
}

std::chrono::steady_clock::duration StoreThread::busy_for() const {
  const auto since = std::as_const(queue_->state).lock()->busy_since;
  return since ? std::chrono::steady_clock::now() - *since : std::chrono::steady_clock::duration(0);
}

void StoreThread::post(std::function<void()> work) {
  queue_->state.lock()->work.push_back(std::move(work));
  queue_->changed.notify_one();
}

}  // namespace veo
