// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The process's requests to one API with one key take turns. A few requests are under way at a
// time, so that a thousand waiting tasks share a few connections. All requests have one rate limit,
// so that a 429 to one request slows down all of them. I/O thread only, except of().
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "veo/core/rate_limit.h"
#include "veo/core/secret.h"
#include "veo/http/io_thread.h"
#include "veo/http/io_thread_only.h"

namespace veo {

class RequestQueue : public std::enable_shared_from_this<RequestQueue> {
  struct Place;

 public:
  static constexpr std::size_t most_idle = 64;

  /// Returns the process's one queue for the API's origin and the key. The queue and its rate limit
  /// stay after its last user has gone, until callers have asked for `most_idle` other queues. Any
  /// thread.
  static std::shared_ptr<RequestQueue> of(const std::string& api_url, const Secret& key);

  /// A place in the queue until `go` is called; after that, a request that is under way. The
  /// destruction of a Turn leaves the queue or ends the request.
  class Turn {
   public:
    Turn() = default;
    Turn(Turn&&) noexcept = default;
    Turn& operator=(Turn&& other) noexcept;
    ~Turn();

    /// Tell the rate limit what the answer means for the speed: see RateLimit.
    void report_good_answer();
    void report_rate_limit(RateLimit::RetryAfter retry_after);
    /// Whether `go` was called: the request may have left.
    [[nodiscard]] bool has_come() const;

   private:
    friend class RequestQueue;
    std::shared_ptr<RequestQueue> queue_;
    std::shared_ptr<Place> place_;
  };

  /// Enters the queue. Calls `go` when the turn has come, unless the Turn is destroyed before.
  /// enter() itself never calls `go`.
  [[nodiscard]] Turn enter(std::shared_ptr<http::IoThread> thread, std::function<void()> go);

 private:
  RequestQueue() = default;
  void leave(Place& place);
  void pump_soon(const std::shared_ptr<http::IoThread>& thread);
  void pump();

  /// State that only the I/O thread uses.
  struct Io {
    RateLimit limit;
    std::deque<std::shared_ptr<Place>> waiting;
    http::IoThread::Timer timer;
    unsigned under_way = 0;
    bool pumps_soon = false;
  };
  http::IoThreadOnly<Io> io_;
};

}  // namespace veo
