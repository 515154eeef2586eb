// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One paid task, from its submission (or from a task id) to its end. It runs on the I/O thread, on
// its own: whoever looks at it may come and go.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "veo/client/access.h"
#include "veo/client/wakeup.h"
#include "veo/core/catalog.h"
#include "veo/core/request.h"
#include "veo/core/task.h"

namespace veo {

class Job {
 public:
  struct Settings {
    Access access;
    NetworkSettings network;
    std::shared_ptr<const Catalog> catalog;      ///< not null
    Request request;                             ///< already validated
    std::string task_id;                         ///< set: join that task, submit nothing
    std::chrono::milliseconds poll_interval{0};  ///< 0: adaptive
    std::chrono::seconds generation_timeout{1800};
  };

  enum class Phase { submitting, generating, completed, failed };

  /// Everything there is to see, at one moment.
  struct Snapshot {
    Phase phase = Phase::submitting;
    TaskStatus status = TaskStatus::none;
    std::string task_id;               ///< empty until the service has named it
    std::optional<int> percent;        ///< where the service reports progress
    std::optional<TaskReport> report;  ///< the last answer
    std::optional<Error> error;        ///< set iff failed
    std::optional<Error> trouble;      ///< why the last attempt is being repeated
    unsigned requests = 0;             ///< HTTP exchanges with the API
    unsigned polls = 0;
    unsigned retries = 0;
    std::chrono::milliseconds submit_time{0};    ///< until the task id was here
    std::chrono::milliseconds generate_time{0};  ///< from there to completion
  };

  /// Any thread; at once. Nothing has been sent when it returns.
  static std::shared_ptr<Job> start(Settings settings);
  /// Nobody is interested any more: stops asking, at once. A submission that has begun is left to
  /// be answered, and the task id it brings is told on stderr, since it is paid.
  ~Job();
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  [[nodiscard]] Snapshot snapshot() const;
  void subscribe(std::weak_ptr<Wakeup> wakeup);

 private:
  Job();
  struct Private;
  std::shared_ptr<Private> p_;
};

}  // namespace veo
