// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The process's requests to one API with one key take turns: a few at a time, so that a thousand
// waiting tasks share a few connections, and at one speed, so that a 429 to one of them is heard by
// all. I/O thread only, but for of().
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "veo/core/rate_limit.h"
#include "veo/core/secret.h"
#include "veo/http/io_thread.h"

namespace veo {

class RequestQueue : public std::enable_shared_from_this<RequestQueue> {
  struct Place;

 public:
  static constexpr std::size_t most_idle = 64;

  /// The one queue of this process for that API, by its origin, and key. It stays when its last
  /// user goes, and so does what it has learned, until `most_idle` others were asked for since.
  /// Any thread.
  static std::shared_ptr<RequestQueue> of(const std::string& api_url, const Secret& key);

  /// A place in the queue and then, from `go` on, a request under way: until it is destroyed.
  class Turn {
   public:
    Turn() = default;
    Turn(Turn&&) noexcept = default;
    Turn& operator=(Turn&& other) noexcept;
    ~Turn();

    /// What the answer says of the speed: see RateLimit.
    void welcomed();
    void limited(RateLimit::RetryAfter retry_after);
    /// The request may have left, or may leave now.
    [[nodiscard]] bool has_come() const;

   private:
    friend class RequestQueue;
    std::shared_ptr<RequestQueue> queue_;
    std::shared_ptr<Place> place_;
  };

  /// `go` is called once the turn has come, unless the Turn is gone; never inside this call.
  [[nodiscard]] Turn enter(std::shared_ptr<http::IoThread> thread, std::function<void()> go);

 private:
  RequestQueue() = default;
  void leave(Place& place);
  void pump_soon(const std::shared_ptr<http::IoThread>& thread);
  void pump();

  RateLimit limit_;
  std::deque<std::shared_ptr<Place>> waiting_;
  http::IoThread::Timer timer_;
  unsigned under_way_ = 0;
  bool pumping_soon_ = false;
};

}  // namespace veo
