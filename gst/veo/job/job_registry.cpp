// SPDX-License-Identifier: LGPL-2.1-or-later
#include "job_registry.h"

#include <map>
#include <mutex>

namespace veo {

namespace {

struct Process {
  std::mutex mutex;
  std::map<std::string, std::weak_ptr<Job>> jobs;  // guarded by mutex
  std::map<std::string, Error> failures;           // guarded by mutex
};

// Never destroyed: the I/O thread may outlive static destructors.
Process& process() {
  static auto* const instance = new Process;
  return *instance;
}

}  // namespace

Job::Joined JobRegistry::join(const std::string& name, const std::function<bool(const Job&)>& fits,
                              const std::function<std::shared_ptr<Job>()>& make) {
  auto& [mutex, jobs, _] = process();
  const std::lock_guard lock(mutex);
  std::erase_if(jobs, [](const auto& entry) { return entry.second.expired(); });
  auto& slot = jobs[name];
  if (auto job = slot.lock(); job && fits(*job)) return {std::move(job), true};
  auto job = make();
  slot = job;
  return {std::move(job), false};
}

void JobRegistry::remember_failure(const std::string& name, const Error& error) {
  const std::lock_guard lock(process().mutex);
  process().failures.insert_or_assign(name, error);
}

std::optional<Error> JobRegistry::failure(const std::string& name) {
  const std::lock_guard lock(process().mutex);
  const auto& failures = process().failures;
  const auto found = failures.find(name);
  return found == failures.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace veo
