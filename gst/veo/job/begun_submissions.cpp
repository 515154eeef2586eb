// SPDX-License-Identifier: LGPL-2.1-or-later
#include "begun_submissions.h"

#include <glib.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>

namespace veo {

namespace {

using namespace std::chrono_literals;

constexpr auto exit_waits = 5s;  // MONEY.md

struct Count {
  std::mutex mutex;
  std::condition_variable changed;
  unsigned open = 0;           // guarded by mutex
  bool waits_at_exit = false;  // guarded by mutex
};

// Never destroyed: the I/O thread may outlive static destructors.
Count& count() {
  static auto* const instance = new Count;
  return *instance;
}

void wait_at_exit() {
  auto& [mutex, changed, open, _] = count();
  std::unique_lock lock(mutex);
  const auto done = [&open = open] { return open == 0; };
  // Most answers are here within a moment: only a wait that can be felt is worth a word.
  if (changed.wait_for(lock, 200ms, done)) return;
  g_printerr(
      "gst-veo: waiting up to 5 s for the service's answer to a submission that has been "
      "sent, since it may be paid.\n");
  if (!changed.wait_for(lock, exit_waits, done)) {
    g_printerr(
        "gst-veo: no answer. Whether the submission was accepted is unknown: compare the "
        "balance before you submit it again.\n");
  }
}

}  // namespace

BegunSubmissions::Guard::Guard() {
  const std::lock_guard lock(count().mutex);
  ++count().open;
  if (!count().waits_at_exit) count().waits_at_exit = std::atexit(wait_at_exit) == 0;
}

BegunSubmissions::Guard::~Guard() {
  {
    const std::lock_guard lock(count().mutex);
    --count().open;
  }
  count().changed.notify_all();
}

}  // namespace veo
