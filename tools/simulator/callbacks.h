// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Sends tasks to their callback URLs, once each, without a retry. It sends only to loopback
// addresses, so a simulator never calls another machine.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "faults.h"
#include "http.h"
#include "stop.h"

namespace simulator {

class Callbacks {
 public:
  Callbacks(FaultPlan& faults, Stop& stop);
  /// request() of the Stop must have been called before.
  ~Callbacks();
  Callbacks(const Callbacks&) = delete;
  Callbacks& operator=(const Callbacks&) = delete;

  /// Queues a callback with `task` as its body. Ignores a URL that must not be called.
  void send(std::string url, Json task);
  /// Counts the callbacks that were answered with 2xx.
  [[nodiscard]] std::uint64_t count_delivered() const;

 private:
  struct Message {
    std::string url;
    Json task;
  };
  void run();
  bool deliver(const Message& message);

  FaultPlan& faults_;
  Stop& stop_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  std::deque<Message> queue_;
  bool ended_ = false;
  std::uint64_t delivered_ = 0;
  std::thread thread_;
};

}  // namespace simulator
