// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/system/store_thread.h"

#include <array>
#include <csignal>
#include <deque>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "veo/system/guarded.h"
#include "veo/system/threads.h"

namespace veo {

namespace {

constexpr std::array<const char*, 4> names = {"veo-settings", "veo-ledger", "veo-clips",
                                              "veo-journal"};

}  // namespace

// The thread shares the queue, because the thread may outlive every StoreThread: the thread ends
// when no StoreThread is left and all work is done. Until then it is the only thread of its store,
// and a new StoreThread joins its queue.
struct StoreThread::Queue {
  struct State {
    std::deque<std::function<void()>> work;
    unsigned holders = 0;
    bool has_ended = false;
    std::optional<std::chrono::steady_clock::time_point> busy_since;
  };

  /// Counts one more holder. False: the queue's thread has ended.
  bool hold() {
    auto locked = state.lock();
    if (locked->has_ended) return false;
    ++locked->holders;
    return true;
  }

  void let_go() {
    --state.lock()->holders;
    changed.notify_all();
  }

  /// Waits for work. nullopt: there is no holder and no work left.
  std::optional<std::function<void()>> next() {
    auto locked = state.lock();
    locked->busy_since.reset();
    locked.wait(changed, [](const State& now) { return now.holders == 0 || !now.work.empty(); });
    locked->has_ended = locked->work.empty();
    if (locked->has_ended) return std::nullopt;
    auto work = std::move(locked->work.front());
    locked->work.pop_front();
    locked->busy_since = std::chrono::steady_clock::now();
    return work;
  }

  void run() {
    // A write beyond RLIMIT_FSIZE must fail, and not end the application.
    sigset_t file_size;
    sigemptyset(&file_size);
    sigaddset(&file_size, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &file_size, nullptr);
    while (auto work = next()) (*work)();
  }

  /// The process's queues, by store. Never destroyed: they may outlive static destructors.
  using Table = std::array<std::shared_ptr<Queue>, names.size()>;
  static Guarded<Table>& table() {
    static auto* const instance = new Guarded<Table>;
    return *instance;
  }

  Guarded<State> state;
  ConditionVariable changed;
};

StoreThread::StoreThread(std::shared_ptr<Queue> queue) : queue_(std::move(queue)) {}

Result<std::shared_ptr<StoreThread>> StoreThread::try_acquire(Store store) {
  if (auto here = check_not_forked(); !here) return fail(std::move(here.error()));
  park_at_exit(park_all);
  const auto index = static_cast<std::size_t>(store);
  auto table = Queue::table().lock();
  auto& queue = table->at(index);
  if (!queue || !queue->hold()) {
    const auto made = std::make_shared<Queue>();
    made->hold();
    auto started = start_thread(names.at(index), [made] { made->run(); });
    if (!started) return fail(std::move(started.error()));
    started->detach();
    queue = made;
  }
  return std::shared_ptr<StoreThread>(new StoreThread(queue));
}

std::shared_ptr<StoreThread> StoreThread::acquire(Store store) {
  return try_acquire(store).value();
}

void StoreThread::park_all() {
  const auto queues = *Queue::table().lock();
  for (const auto& queue : queues) {
    if (!queue) continue;
    queue->state.lock()->work.emplace_front(park_thread);
    queue->changed.notify_one();
  }
}

StoreThread::~StoreThread() {
  if (!is_forked_copy()) queue_->let_go();
}

std::chrono::steady_clock::duration StoreThread::busy_for() const {
  const auto since = std::as_const(queue_->state).lock()->busy_since;
  return since ? std::chrono::steady_clock::now() - *since : std::chrono::steady_clock::duration(0);
}

void StoreThread::post(std::function<void()> work) {
  if (is_forked_copy()) return keep_for_ever(std::move(work));
  queue_->state.lock()->work.push_back(std::move(work));
  queue_->changed.notify_one();
}

void StoreThread::post_ahead(std::function<void()> work) {
  if (is_forked_copy()) return keep_for_ever(std::move(work));
  queue_->state.lock()->work.push_front(std::move(work));
  queue_->changed.notify_one();
}

}  // namespace veo
