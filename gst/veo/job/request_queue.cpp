// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/job/request_queue.h"

#include <algorithm>
#include <list>
#include <random>
#include <utility>

#include "veo/core/log.h"
#include "veo/core/url_policy.h"
#include "veo/system/guarded.h"

namespace veo {

namespace {

using Clock = http::IoThread::Clock;

/// The transport has six connections to the API. A seventh request would wait inside libsoup, where
/// its deadline already runs.
constexpr unsigned at_once = 6;

struct Queues {
  const std::string salt = std::to_string(std::random_device{}());
  // The most recently used queue comes first.
  Guarded<std::list<std::pair<std::string, std::shared_ptr<RequestQueue>>>> queues;
};

// Never destroyed: the I/O thread may outlive static destructors.
Queues& queues_of_process() {
  static auto* const instance = new Queues;
  return *instance;
}

}  // namespace

struct RequestQueue::Place {
  std::shared_ptr<http::IoThread> thread;
  std::function<void()> go;  // empty after the turn has come
  Clock::time_point sent{};  // when the turn came
  bool has_come = false;
};

std::shared_ptr<RequestQueue> RequestQueue::of(const std::string& api_url, const Secret& key) {
  const auto origin = parse_origin(api_url);
  const auto name =
      (origin ? origin->scheme + "://" + origin->host + ":" + std::to_string(origin->port)
              : api_url) +
      "\n" + key.make_mark(queues_of_process().salt);
  auto queues = queues_of_process().queues.lock();
  const auto found = std::ranges::find(*queues, name, [](const auto& it) { return it.first; });
  if (found != queues->end()) {
    queues->splice(queues->begin(), *queues, found);
  } else {
    queues->emplace_front(name, std::shared_ptr<RequestQueue>(new RequestQueue));
  }
  // If only this list holds a queue, no other thread can get the queue while the lock is held.
  auto queue = queues->front().second;
  for (auto at = queues->end(); queues->size() > most_idle && at != queues->begin();) {
    --at;
    if (at->second.use_count() == 1) at = queues->erase(at);
  }
  return queue;
}

RequestQueue::Turn RequestQueue::enter(std::shared_ptr<http::IoThread> thread,
                                       std::function<void()> go) {
  Turn turn;
  turn.queue_ = shared_from_this();
  turn.place_ = std::make_shared<Place>();
  turn.place_->thread = std::move(thread);
  turn.place_->go = std::move(go);
  io_->waiting.push_back(turn.place_);
  pump_soon(turn.place_->thread);
  return turn;
}

void RequestQueue::leave(Place& place) {
  if (place.has_come) {
    --io_->under_way;
  } else {
    // Destroy the function after the queue is consistent again, because it may hold other turns.
    const auto gone = std::exchange(place.go, nullptr);
    std::erase_if(io_->waiting, [&](const auto& other) { return other.get() == &place; });
  }
  if (io_->waiting.empty()) {
    io_->timer.cancel();
  } else {
    pump_soon(io_->waiting.front()->thread);
  }
}

void RequestQueue::pump_soon(const std::shared_ptr<http::IoThread>& thread) {
  if (std::exchange(io_->pumps_soon, true)) return;
  thread->post([self = shared_from_this()] {
    self->io_->pumps_soon = false;
    self->pump();
  });
}

void RequestQueue::pump() {
  io_->timer.cancel();
  while (!io_->waiting.empty() && io_->under_way < at_once) {
    const auto now = Clock::now();
    const auto thread = io_->waiting.front()->thread;
    if (const auto next = io_->limit.find_next_time(now); next > now) {
      log::debug(log::Category::http, io_->waiting.size(),
                 " requests wait for the API's rate limit: ",
                 std::chrono::ceil<std::chrono::milliseconds>(next - now));
      io_->timer = thread->after(std::chrono::ceil<std::chrono::milliseconds>(next - now),
                                 [self = shared_from_this()] { self->pump(); });
      return;
    }
    const auto place = std::move(io_->waiting.front());
    io_->waiting.pop_front();
    io_->limit.on_sent(now);
    ++io_->under_way;
    place->has_come = true;
    place->sent = now;
    std::exchange(place->go, nullptr)();
  }
}

RequestQueue::Turn& RequestQueue::Turn::operator=(Turn&& other) noexcept {
  // Store the new turn before the old one is destroyed.
  Turn old;
  std::swap(old.queue_, queue_);
  std::swap(old.place_, place_);
  std::swap(queue_, other.queue_);
  std::swap(place_, other.place_);
  return *this;
}

RequestQueue::Turn::~Turn() {
  if (queue_) queue_->leave(*place_);
}

void RequestQueue::Turn::report_good_answer() { queue_->io_->limit.on_good_answer(place_->sent); }

void RequestQueue::Turn::report_rate_limit(RateLimit::RetryAfter retry_after) {
  const auto now = Clock::now();
  auto& limit = queue_->io_->limit;
  limit.on_limited(place_->sent, now, retry_after);
  log::warning(log::Category::http, "the API asks to slow down: no request of this key for ",
               std::chrono::ceil<std::chrono::milliseconds>(limit.find_next_time(now) - now));
}

bool RequestQueue::Turn::has_come() const { return place_ && place_->has_come; }

}  // namespace veo
