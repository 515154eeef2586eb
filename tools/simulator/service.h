// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The service: the tasks, the account and the clips, behind one lock.
//
//   pending ──a fifth of the time──► processing ──the time is over, the clip is made──► completed
//                                        │
//                                        └──the time is over, a fault is set──► failed (refunded)
//
// Times are on the steady clock. A thread changes the state of each task at its time, so callbacks
// and refunds do not wait for a query.
#pragma once

#include <condition_variable>
#include <future>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "api_rules.h"
#include "callbacks.h"
#include "clip_worker.h"
#include "faults.h"
#include "http.h"
#include "options.h"
#include "stop.h"

namespace simulator {

class Service {
 public:
  /// `file_origin` is the start of the clips' URLs. Throws std::runtime_error if a file of --clip
  /// cannot be read.
  Service(const Options& options, std::string file_origin, FaultPlan& faults, Stop& stop);
  /// request() of the Stop must have been called before.
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  /// Creates a task, charges it, and returns its id. Throws ApiError.
  std::string create(const Generation& generation);
  /// Describes the task as the answer to a query does. Throws ApiError.
  Json describe_task(const std::string& id);
  [[nodiscard]] std::int64_t balance() const;
  /// Describes the counts and all tasks, for `GET /simulator/state`.
  Json describe_state();

  struct File {
    Clip clip;
    std::time_t modified = 0;
  };
  /// Finds the file behind the path of a URL; nullopt if there is none (yet).
  std::optional<File> find_file(const std::string& path);

 private:
  enum class Status { pending, processing, completed, failed };
  struct Task {
    std::string id;
    Generation request;
    Status status = Status::pending;
    Clock::time_point created;
    Clock::time_point due;
    std::time_t created_at = 0;
    std::time_t ended_at = 0;
    std::string
        failure;       ///< the error code with which the task fails or has failed; empty for none
    std::string path;  ///< the path of its file in the URL
    std::vector<Scene> scenes;
    std::shared_future<Clip> clip;
  };

  // The caller of these functions holds mutex_.
  [[nodiscard]] const Task* find(const std::string& id) const;
  [[nodiscard]] ClipPlan plan_clip(const Task& task) const;
  [[nodiscard]] Json describe(const Task& task) const;
  /// Changes the states of all tasks whose time has come. Returns the time of the next change.
  Clock::time_point settle(Clock::time_point now);
  void end(Task& task);

  void run();

  const Options options_;
  const std::string file_origin_;
  FaultPlan& faults_;
  Stop& stop_;
  std::vector<std::shared_future<Clip>> given_clips_;  // of --clip
  Callbacks callbacks_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  std::vector<Task> tasks_;
  std::int64_t balance_;
  std::uint64_t refunds_ = 0;
  bool ended_ = false;

  std::optional<ClipWorker> worker_;  // unset with --clip
  std::thread thread_;
};

}  // namespace simulator
