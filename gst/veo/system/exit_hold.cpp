// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/system/exit_hold.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <utility>
#include <vector>

namespace veo {

namespace {

constexpr std::chrono::seconds exit_waits{2};

std::atomic<bool> has_begun{false};
std::atomic<pid_t> planner{0};  // the process that called at_exit() last

struct Plan {
  std::array<std::vector<void (*)()>, 3> steps;
  bool is_registered = false;
};

// Never destroyed: other threads may outlive static destructors.
Guarded<Plan>& plan() {
  static auto* const instance = new Guarded<Plan>;
  return *instance;
}

void run_exit() {
  // A forked child inherits this handler, but not the threads that the steps wait for. Another
  // thread of the parent may have held a lock at the fork, so the child must not take one here.
  if (::getpid() != planner) return;
  has_begun = true;
  const auto steps = plan().lock()->steps;
  for (const auto& step : steps) {
    for (auto* const work : step) work();
  }
}

// Never destroyed: other threads may outlive static destructors.
ExitCount& last_work() {
  static auto* const instance = new ExitCount;
  return *instance;
}

void wait_for_last_work() { last_work().wait_for_end(exit_waits); }

}  // namespace

void at_exit(ExitStep step, void (*work)()) {
  auto locked = plan().lock();
  planner = ::getpid();
  if (!std::exchange(locked->is_registered, true)) std::atexit(run_exit);
  auto& known = locked->steps.at(static_cast<std::size_t>(step));
  if (std::ranges::find(known, work) == known.end()) known.push_back(work);
}

bool has_exit_begun() { return has_begun; }

ExitCount::Hold::Hold(ExitCount& count) : count_(count) { ++*count_.holders_.lock(); }

ExitCount::Hold::~Hold() {
  --*count_.holders_.lock();
  count_.changed_.notify_all();
}

bool ExitCount::wait_for_end(std::chrono::milliseconds time) {
  return holders_.lock().wait_for(changed_, time, [](unsigned now) { return now == 0; });
}

std::shared_ptr<const void> hold_exit() {
  at_exit(ExitStep::last_work, wait_for_last_work);
  return std::make_shared<const ExitCount::Hold>(last_work());
}

}  // namespace veo
