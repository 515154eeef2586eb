// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Makes clips, one after the other, on a thread of the lowest priority: what is measured against
// the simulator should not have to share the processor with it.
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
  /// `on_made` is called on the worker's thread after each clip.
  ClipWorker(Stop& stop, std::function<void()> on_made);
  /// Gives up what it is at.
  ~ClipWorker();
  ClipWorker(const ClipWorker&) = delete;
  ClipWorker& operator=(const ClipWorker&) = delete;

  /// The future's exception is a std::runtime_error.
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
