// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/system/threads.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include "veo/system/exit_hold.h"
#include "veo/system/guarded.h"

namespace veo {

namespace {

/// A thread that waits for a disk cannot be parked. It must not hold up the exit.
constexpr std::chrono::milliseconds parking_takes{300};

// Not in a Guarded, because a forked child must not wait for a lock.
std::atomic<pid_t> owner{0};       // the process that started the last thread
std::atomic<unsigned> running{0};  // threads

struct State {
  std::vector<void (*)()> asks;
  unsigned moving = 0;  // threads that are neither parked nor ended
};

struct Threads {
  Guarded<State> state;
  ConditionVariable changed;
};

// Never destroyed: the threads may outlive static destructors.
Threads& threads() {
  static auto* const instance = new Threads;
  return *instance;
}

void count_as_moving() { ++threads().state.lock()->moving; }

void count_as_still() {
  --threads().state.lock()->moving;
  threads().changed.notify_all();
}

void park_all() {
  const auto asks = threads().state.lock()->asks;
  for (auto* const ask : asks) ask();
  threads().state.lock().wait_for(threads().changed, parking_takes,
                                  [](const State& now) { return now.moving == 0; });
}

}  // namespace

Result<std::thread> start_thread(const char* name, std::function<void()> run) {
  if (auto here = check_not_forked(); !here) return fail(std::move(here.error()));
  owner = ::getpid();
  ++running;
  count_as_moving();
  try {
    return std::thread([name, run = std::move(run)] {
      ::pthread_setname_np(::pthread_self(), name);
      run();
      --running;
      count_as_still();
    });
  } catch (const std::system_error& error) {
    --running;
    count_as_still();
    return fail({.code = ErrorCode::internal_error,
                 .message = std::string("This machine makes no more threads (") + error.what() +
                            "), so gst-veo could not begin. Nothing was sent, and nothing is paid. "
                            "Allow more threads (ulimit -u, or pids.max of the container), and run "
                            "it again.",
                 .charged = Charged::no});
  }
}

bool is_forked_copy() {
  const auto process = owner.load();
  return process != 0 && process != ::getpid() && running > 0;
}

Status check_not_forked() {
  if (!is_forked_copy()) return {};
  return fail({.code = ErrorCode::internal_error,
               .message = "This process was made by fork() after gst-veo had started, and the "
                          "threads of gst-veo do not exist here. Nothing was sent, and nothing is "
                          "paid. Start gst-veo after the fork(), or call exec() in the child.",
               .charged = Charged::no});
}

void keep_for_ever(std::function<void()> work) {
  struct Kept {
    std::function<void()> work;
    Kept* next;
  };
  // A list rather than a leak, so that a leak checker finds the work.
  static std::atomic<Kept*> first{nullptr};
  auto* const kept = std::make_unique<Kept>(Kept{std::move(work), first.load()}).release();
  while (!first.compare_exchange_weak(kept->next, kept)) {
  }
}

void park_at_exit(void (*ask)()) {
  {
    auto state = threads().state.lock();
    auto& asks = state->asks;
    if (std::ranges::find(asks, ask) != asks.end()) return;
    asks.push_back(ask);
  }
  at_exit(ExitStep::threads, park_all);
}

void park_thread() {
  count_as_still();
  for (;;) ::pause();
}

}  // namespace veo
