// SPDX-License-Identifier: LGPL-2.1-or-later
#include "begun_submissions.h"

#include <glib.h>

#include <chrono>

namespace veo {

namespace {

using namespace std::chrono_literals;

constexpr auto exit_waits = 5s;  // docs/money.md

void wait_for_answers() {
  auto& submissions = begun_submissions();
  auto& answers = unwritten_answers();
  // Most answers come within a moment. Only a wait that the user notices needs a message.
  if (!submissions.wait_for_end(200ms)) {
    g_printerr(
        "gst-veo: waiting up to 5 s for the service's answer to a submission that has been "
        "sent, since it may be paid.\n");
    if (!submissions.wait_for_end(exit_waits)) {
      g_printerr(
          "gst-veo: no answer. Whether the submission was accepted is unknown: compare the "
          "balance before you submit it again.\n");
    }
  }
  // An answer that no disk takes has been told already, with its task id.
  answers.wait_for_end(exit_waits);
}

}  // namespace

ExitCount& begun_submissions() {
  // Never destroyed: the I/O thread may outlive static destructors.
  static auto* const instance = new ExitCount;
  return *instance;
}

ExitCount& unwritten_answers() {
  static auto* const instance = new ExitCount;
  return *instance;
}

void watch_exit_for_submissions() { at_exit(ExitStep::submissions, wait_for_answers); }

}  // namespace veo
