// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The process's jobs: equal intents share one. It keeps none alive. What it does keep is the memory
// of tasks that the service failed, so that a parent that restarts its source does not submit in a
// circle: within a process, such a failure stays. The newest ones do, so that a process that runs
// for months does not grow; for what is older, the ledger's limit for an intent and day stands.
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

  /// The job under that name that `fits`, else the one that `make` makes. Any thread.
  static Job::Joined join(const std::string& name, const std::function<bool(const Job&)>& fits,
                          const std::function<std::shared_ptr<Job>()>& make);

  static void remember_failure(const std::string& name, const Error& error);
  static std::optional<Error> failure(const std::string& name);
};

}  // namespace veo
