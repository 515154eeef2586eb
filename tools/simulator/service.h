// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The tasks, the account and the clips, behind one lock.
//
//   pending ──a fifth of its time──► processing ──all of its time, and the clip is made──►
//   completed
//                                        └──all of its time, and it is to fail──► failed (refunded)
//
// Times are of the steady clock. A thread moves tasks on when their time comes, so that callbacks
// and refunds wait for no query.
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
  /// `file_origin` begins the URLs of the clips. Throws std::runtime_error where --clip cannot be
  /// read.
  Service(const Options& options, std::string file_origin, FaultPlan& faults, Stop& stop);
  /// The Stop must have been requested.
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  /// Creates a task, charges it, and returns its id. Throws ApiError.
  std::string create(const Generation& generation);
  /// Throws ApiError.
  Json task(const std::string& id);
  [[nodiscard]] std::int64_t balance() const;
  /// Counts, and all tasks, for `GET /simulator/state`.
  Json state();

  struct File {
    Clip clip;
    std::time_t modified = 0;
  };
  /// What the URL's path names; nullopt: nothing (yet).
  std::optional<File> file(const std::string& path);

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
    std::string failure;  ///< the error code it is to fail with, or has; empty: none
    std::string path;     ///< of its file
    std::vector<Scene> scenes;
    std::shared_future<Clip> clip;
  };

  // All of these with mutex_ held.
  [[nodiscard]] const Task* find(const std::string& id) const;
  [[nodiscard]] ClipPlan plan(const Task& task) const;
  [[nodiscard]] Json describe(const Task& task) const;
  /// Moves all tasks on; the next time at which there is something to do.
  Clock::time_point settle(Clock::time_point now);
  void end(Task& task);

  void run();

  const Options options_;
  const std::string file_origin_;
  FaultPlan& faults_;
  Stop& stop_;
  std::vector<std::shared_future<Clip>> given_clips_;  // --clip
  Callbacks callbacks_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  std::vector<Task> tasks_;
  std::int64_t balance_;
  std::uint64_t refunds_ = 0;
  bool ended_ = false;

  std::optional<ClipWorker> worker_;  // without --clip
  std::thread thread_;
};

}  // namespace simulator
