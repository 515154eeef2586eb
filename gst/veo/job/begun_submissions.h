// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The submissions of this process that are recorded as perhaps sent, and whose answer has not come
// yet. A normal exit of the process waits for them, for a bounded time: an answer is the only
// record of a task that may be paid. And if a submission is given up before its request has left,
// the ledger must say so.
#pragma once

#include "veo/system/exit_hold.h"

namespace veo {

/// Returns the count of begun submissions: each holds an ExitCount::Hold on it. Any thread.
ExitCount& begun_submissions();

/// Returns the count of answers that have come, and that are on no disk yet. Any thread.
ExitCount& unwritten_answers();

/// From now on an exit waits for begun_submissions() and unwritten_answers(). Any thread, any
/// number of times.
void watch_exit_for_submissions();

}  // namespace veo
