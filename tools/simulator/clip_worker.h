// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Makes clips, one after the other, on a thread of the lowest priority. So a program that is
// measured against the simulator gets the processor first.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <thread>

#include "clip.h"
#include "stop.h"

namespace simulator {

class ClipWorker {
 public:
  /// The worker's thread calls `on_made` after each clip.
  ClipWorker(Stop& stop, std::function<void()> on_made);
  /// Gives up the clip that is being made.
  ~ClipWorker();
  ClipWorker(const ClipWorker&) = delete;
  ClipWorker& operator=(const ClipWorker&) = delete;

  /// Queues a clip. The exception of the future is a std::runtime_error.
  std::shared_future<Clip> make(ClipPlan plan);

 private:
  void run();

  Stop& stop_;
  const std::function<void()> on_made_;
  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  std::deque<std::packaged_task<Clip()>> jobs_;
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace simulator
