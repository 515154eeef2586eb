// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/system/exit_hold.h"

#include <chrono>
#include <condition_variable>
#include <cstdlib>

#include "veo/system/guarded.h"

namespace veo {

namespace {

constexpr auto exit_waits = std::chrono::seconds(2);

struct Count {
  unsigned holders = 0;
  bool is_exit_watched = false;
};

struct Process {
  Guarded<Count> count;
  std::condition_variable changed;
};

// Never destroyed: other threads may outlive static destructors.
Process& process() {
  static auto* const instance = new Process;
  return *instance;
}

void wait_at_exit() {
  process().count.lock().wait_for(process().changed, exit_waits,
                                  [](const Count& now) { return now.holders == 0; });
}

struct Hold {
  Hold() {
    auto count = process().count.lock();
    ++count->holders;
    if (!count->is_exit_watched) count->is_exit_watched = std::atexit(wait_at_exit) == 0;
  }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;
  ~Hold() {
    --process().count.lock()->holders;
    process().changed.notify_all();
  }
};

}  // namespace

std::shared_ptr<const void> hold_exit() { return std::make_shared<const Hold>(); }

}  // namespace veo
