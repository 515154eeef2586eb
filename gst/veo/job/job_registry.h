// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The process's jobs: equal intents share one job. The registry keeps no job alive. It remembers
// the tasks that the service has failed, so that an application that restarts its source after each
// error does not submit in a circle. It remembers the newest failures only, so that a process that
// runs for months does not grow. For older failures the ledger limits the submissions of an intent
// in a day.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "veo/job/job.h"

namespace veo {

class JobRegistry {
 public:
  static constexpr std::size_t most_failures = 1024;

  /// Returns the job of that name that `fits`, else the job that `make` makes. Any thread.
  static Job::Joined join(const std::string& name, const std::function<bool(const Job&)>& fits,
                          const std::function<std::shared_ptr<Job>()>& make);

  static void remember_failure(const std::string& name, const Error& error);
  static std::optional<Error> failure(const std::string& name);
};

}  // namespace veo
