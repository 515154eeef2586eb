// SPDX-License-Identifier: LGPL-2.1-or-later
#include "disk_thread.h"

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace veo {

namespace {

/// The process's current thread. Never destroyed: it may outlive static destructors.
struct Current {
  std::mutex mutex;
  std::weak_ptr<DiskThread> thread;  // guarded by mutex
};
Current& current() {
  static auto* const instance = new Current;
  return *instance;
}

struct Item {
  std::function<void()> work;
  std::shared_ptr<http::IoThread> io;
  std::function<void()> then;
};

}  // namespace

// Shared with the thread, which may outlive its DiskThread.
struct DiskThread::Queue {
  /// nullopt: that was all.
  std::optional<Item> next() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return ended || !items.empty(); });
    if (items.empty()) return std::nullopt;
    auto item = std::move(items.front());
    items.pop_front();
    return item;
  }

  void run() {
    pthread_setname_np(pthread_self(), "veo-disk");
    while (auto item = next()) {
      item->work();
      item->io->post([work = std::move(item->work), then = std::move(item->then)] { then(); });
    }
  }

  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Item> items;  // guarded by mutex
  bool ended = false;      // guarded by mutex
};

DiskThread::DiskThread() : queue_(std::make_shared<Queue>()) {
  std::thread([queue = queue_] { queue->run(); }).detach();
}

std::shared_ptr<DiskThread> DiskThread::acquire() {
  const std::lock_guard lock(current().mutex);
  if (auto running = current().thread.lock()) return running;
  std::shared_ptr<DiskThread> started(new DiskThread);
  current().thread = started;
  return started;
}

DiskThread::~DiskThread() {
  {
    const std::lock_guard lock(queue_->mutex);
    queue_->ended = true;
  }
  queue_->changed.notify_all();
}

void DiskThread::run(std::function<void()> work, std::shared_ptr<http::IoThread> io,
                     std::function<void()> then) {
  {
    const std::lock_guard lock(queue_->mutex);
    queue_->items.push_back({std::move(work), std::move(io), std::move(then)});
  }
  queue_->changed.notify_one();
}

}  // namespace veo
