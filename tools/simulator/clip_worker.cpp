// SPDX-License-Identifier: LGPL-2.1-or-later
#include "clip_worker.h"

#include <sys/resource.h>
#include <unistd.h>

#include "encoder.h"
#include "http.h"
#include "muxer.h"

namespace simulator {

ClipWorker::ClipWorker(Stop& stop, std::function<void()> on_made)
    : stop_(stop), on_made_(std::move(on_made)), thread_([this] { run(); }) {}

ClipWorker::~ClipWorker() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

std::shared_future<Clip> ClipWorker::make(ClipPlan plan) {
  std::packaged_task<Clip()> job([this, plan = std::move(plan)] {
    auto bytes = std::make_shared<const std::string>(mux(encode(plan, stop_), plan));
    return Clip{bytes, compute_sha256(*bytes)};
  });
  auto clip = job.get_future().share();
  const std::lock_guard lock(mutex_);
  jobs_.push_back(std::move(job));
  changed_.notify_all();
  return clip;
}

void ClipWorker::run() {
  // On Linux each thread has its own niceness, and passes it to the threads that it starts. So the
  // threads of GStreamer have it too.
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), 10);
  for (;;) {
    std::packaged_task<Clip()> job;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return ended_ || !jobs_.empty(); });
      if (ended_) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job();
    on_made_();
  }
}

}  // namespace simulator
