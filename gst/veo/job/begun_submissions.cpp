// SPDX-License-Identifier: LGPL-2.1-or-later
#include "begun_submissions.h"

#include <glib.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>

#include "veo/system/guarded.h"

namespace veo {

namespace {

using namespace std::chrono_literals;

constexpr auto exit_waits = 5s;  // MONEY.md

struct Count {
  unsigned open = 0;
  bool is_exit_watched = false;
  bool has_exit_begun = false;
};

struct Process {
  Guarded<Count> count;
  std::condition_variable changed;
};

// Never destroyed: the I/O thread may outlive static destructors.
Process& process() {
  static auto* const instance = new Process;
  return *instance;
}

void wait_at_exit() {
  auto& changed = process().changed;
  auto count = process().count.lock();
  count->has_exit_begun = true;
  const auto done = [](const Count& now) { return now.open == 0; };
  // Most answers are here within a moment: only a wait that can be felt is worth a word.
  if (count.wait_for(changed, 200ms, done)) return;
  g_printerr(
      "gst-veo: waiting up to 5 s for the service's answer to a submission that has been "
      "sent, since it may be paid.\n");
  if (!count.wait_for(changed, exit_waits, done)) {
    g_printerr(
        "gst-veo: no answer. Whether the submission was accepted is unknown: compare the "
        "balance before you submit it again.\n");
  }
}

}  // namespace

BegunSubmissions::Guard::Guard() { ++process().count.lock()->open; }

BegunSubmissions::Guard::~Guard() {
  --process().count.lock()->open;
  process().changed.notify_all();
}

void BegunSubmissions::watch_exit() {
  auto count = process().count.lock();
  if (!count->is_exit_watched) count->is_exit_watched = std::atexit(wait_at_exit) == 0;
}

bool BegunSubmissions::has_exit_begun() { return process().count.lock()->has_exit_begun; }

}  // namespace veo
