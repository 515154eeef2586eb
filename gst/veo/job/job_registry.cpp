// SPDX-License-Identifier: LGPL-2.1-or-later
#include "job_registry.h"

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "veo/system/guarded.h"

namespace veo {

namespace {

struct Jobs {
  std::multimap<std::string, std::weak_ptr<Job>> jobs;
  std::deque<std::pair<std::string, Error>> failures;  // the newest last
};

// Never destroyed: the I/O thread may outlive static destructors.
Guarded<Jobs>& jobs_of_process() {
  static auto* const instance = new Guarded<Jobs>;
  return *instance;
}

}  // namespace

Job::Joined JobRegistry::join(const std::string& name, const std::function<bool(const Job&)>& fits,
                              const std::function<std::shared_ptr<Job>()>& make) {
  // Holds the references until the lock is released, because the end of a job may take other locks.
  std::vector<std::shared_ptr<Job>> seen;
  auto own = jobs_of_process().lock();
  std::erase_if(own->jobs, [](const auto& entry) { return entry.second.expired(); });
  const auto [first, last] = own->jobs.equal_range(name);
  for (auto at = first; at != last; ++at) {
    auto job = at->second.lock();
    if (!job) continue;
    if (fits(*job)) return {std::move(job), true};
    seen.push_back(std::move(job));
  }
  auto job = make();
  own->jobs.emplace(name, job);
  return {std::move(job), false};
}

void JobRegistry::remember_failure(const std::string& name, const Error& error) {
  auto own = jobs_of_process().lock();
  std::erase_if(own->failures, [&](const auto& entry) { return entry.first == name; });
  own->failures.emplace_back(name, error);
  if (own->failures.size() > most_failures) own->failures.pop_front();
}

std::optional<Error> JobRegistry::failure(const std::string& name) {
  const auto own = jobs_of_process().lock();
  const auto found =
      std::ranges::find(own->failures, name, [](const auto& it) { return it.first; });
  return found == own->failures.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace veo
