// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/system/exit_hold.h"

#include <cstdlib>

namespace veo {

namespace {

constexpr std::chrono::seconds exit_waits{2};

// Never destroyed: other threads may outlive static destructors.
ExitCount& last_work() {
  static auto* const instance = new ExitCount;
  return *instance;
}

}  // namespace

ExitCount::Hold::Hold(ExitCount& count) : count_(count) { ++count_.state_.lock()->holders; }

ExitCount::Hold::~Hold() {
  --count_.state_.lock()->holders;
  count_.changed_.notify_all();
}

void ExitCount::watch_exit(void (*on_exit)()) {
  auto state = state_.lock();
  if (!state->is_exit_watched) state->is_exit_watched = std::atexit(on_exit) == 0;
}

bool ExitCount::has_exit_begun() const { return state_.lock()->has_exit_begun; }

void ExitCount::begin_exit() { state_.lock()->has_exit_begun = true; }

bool ExitCount::wait_for_end(std::chrono::milliseconds time) {
  return state_.lock().wait_for(changed_, time, [](const State& now) { return now.holders == 0; });
}

std::shared_ptr<const void> hold_exit() {
  last_work().watch_exit([] { last_work().wait_for_end(exit_waits); });
  return std::make_shared<const ExitCount::Hold>(last_work());
}

}  // namespace veo
