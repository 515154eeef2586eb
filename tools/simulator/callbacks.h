// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Sends tasks to their callback URLs: once each, best effort, and to loopback addresses only, so
// that a simulator never calls anybody.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

#include "faults.h"
#include "http.h"
#include "stop.h"

namespace simulator {

class Callbacks {
 public:
  Callbacks(FaultPlan& faults, Stop& stop);
  /// The Stop must have been requested.
  ~Callbacks();
  Callbacks(const Callbacks&) = delete;
  Callbacks& operator=(const Callbacks&) = delete;

  /// Queues `{url, task}`. A URL it must not call is dropped.
  void send(std::string url, Json task);
  /// Those that were answered with 2xx.
  [[nodiscard]] std::uint64_t delivered() const;

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
